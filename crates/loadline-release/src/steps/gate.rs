//! The scan reports against each image's policy, leg by leg.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use camino::Utf8Path;
use loadline_core::{Failure, Finding, Location, Outcome};
use loadline_gate::codes::{IGNORE_UNREADABLE, REPORT_UNREADABLE};
use loadline_gate::ignores::MAX_IGNORES_BYTES;
use loadline_gate::{GatePolicy, GateSubject, Ignores, Request, evaluate_set};

use crate::event::Step;
use crate::plan::PlannedImage;
use crate::release::{Progress, Release};

/// The largest report that is read: four times what the largest images make.
const REPORT_LIMIT: u64 = 512 << 20;

/// Holds every leg's report against its image's policy.
pub(crate) fn run(release: &Release<'_>, progress: &Progress) -> Outcome {
    let mut outcome = Outcome::new();
    release.parts(Step::Gate, progress.legs.len());
    // Images that name the same file of ignores share it: an ignore is unused only when no image uses it.
    let mut ignores: BTreeMap<&Utf8Path, Ignores> = BTreeMap::new();
    for file in release.plan.images.iter().filter_map(|image| image.gate.ignore_file.as_deref()) {
        if !ignores.contains_key(file) {
            match read_ignores(release.root, file) {
                Ok(read) => {
                    ignores.insert(file, read);
                }
                Err(finding) => outcome.findings.push(*finding),
            }
        }
    }
    let none = Ignores::default();
    let mut weighed = Vec::new();
    for leg in &progress.legs {
        let Some(image) = release.plan.images.iter().find(|image| image.name == leg.image) else { continue };
        let bound = release.legs.as_ref().and_then(|set| set.report_of(&leg.image, &leg.platform));
        match Leg::prepare(release.root, image, leg, bound.as_deref()) {
            Ok(prepared) => weighed.push((image, prepared)),
            Err(failure) => outcome.failures.push(failure),
        }
    }
    let requests: Vec<Request<'_>> = weighed
        .iter()
        .map(|(image, leg)| Request {
            subject: &leg.subject,
            report: leg.report.as_deref(),
            report_file: leg.file.as_deref(),
            ignores: image.gate.ignore_file.as_deref().and_then(|file| ignores.get(file)).unwrap_or(&none),
            policy: &leg.policy,
            previous: None,
            now: release.clock.now(),
        })
        .collect();
    let set = evaluate_set(&requests);
    for member in &set.members {
        release.part(Step::Gate, format!("{} {}", member.image, member.platform), false);
    }
    outcome.merge(set.outcome);
    outcome
}

/// One leg with what is weighed of it.
struct Leg<'a> {
    subject: GateSubject,
    file: Option<Cow<'a, Utf8Path>>,
    report: Option<Vec<u8>>,
    policy: GatePolicy,
}

impl<'a> Leg<'a> {
    fn prepare(
        root: &Path,
        image: &'a PlannedImage,
        leg: &crate::leg::Leg,
        bound: Option<&Path>,
    ) -> Result<Self, Failure> {
        let planned = image.reports.iter().find(|report| report.platform == leg.platform);
        // A report that came with the leg's record was made on the machine that built it.
        let file = match bound.and_then(Utf8Path::from_path) {
            Some(bound) => Some(Cow::Owned(bound.to_owned())),
            None => planned.map(|report| Cow::Borrowed(report.file.as_path())),
        };
        let report = match &file {
            None => None,
            Some(file) => read(&root.join(file.as_std_path()), REPORT_LIMIT).map_err(|error| {
                Failure::new(&REPORT_UNREADABLE, format!("the report {file} cannot be read: {error}"))
                    .help("scan the leg again, or mend the file's permissions")
            })?,
        };
        Ok(Self {
            subject: GateSubject {
                image: leg.image.clone(),
                platform: leg.platform.clone(),
                manifest_digest: leg.manifest.digest.clone(),
                config_digest: leg.config.clone(),
                diff_ids: leg.diff_ids.clone(),
            },
            file,
            report,
            policy: GatePolicy::from(&image.gate),
        })
    }
}

fn read_ignores(root: &Path, file: &Utf8Path) -> Result<Ignores, Box<Finding>> {
    let unreadable = |reason: String| {
        Finding::error(&IGNORE_UNREADABLE, format!("the ignores in {file} cannot be read: {reason}"))
            .at(Location::file(file))
            .help("mend the file, or take `ignore-file` out of the configuration")
    };
    let bytes = read(&root.join(file.as_std_path()), MAX_IGNORES_BYTES as u64 + 1)
        .map_err(|error| Box::new(unreadable(error.to_string())))?
        .ok_or_else(|| Box::new(unreadable("there is no such file".to_owned())))?;
    Ignores::parse(file, &bytes).map_err(|error| Box::new(error.finding()))
}

/// A file's bytes, up to a limit; none if it is not there.
fn read(path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    if file.take(limit + 1).read_to_end(&mut bytes)? as u64 > limit {
        return Err(io::Error::other(format!("it has more than {limit} bytes")));
    }
    Ok(Some(bytes))
}
