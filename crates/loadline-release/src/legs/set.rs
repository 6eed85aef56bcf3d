//! All records of a folder: whether they are the whole set, built from one commit and configuration.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use loadline_core::document::{LEG, SchemaName};
use loadline_core::{Digest, Finding, Platform};

use super::codes::{LEG_FOREIGN, LEG_MISSING, LEG_REPORT, LEG_TWICE, LEG_UNEXPECTED, LEG_UNREADABLE};
use super::record::{LegRecord, digest_of};
use crate::plan::{Plan, PlannedImage};

/// The largest record that is read, in bytes. What is larger is no record: scan reports lie beside them.
const RECORD_LIMIT: u64 = 8 << 20;
/// The most files that are looked at.
const MOST_FILES: usize = 4096;
/// How deep folders are looked into: artifacts of a workflow come in a folder each.
const DEPTH: usize = 3;

/// A record, and the file that it is from.
#[derive(Debug, Clone)]
pub struct ReadRecord {
    /// The file.
    pub file: PathBuf,
    /// What it says.
    pub record: LegRecord,
}

/// The records of a folder.
#[derive(Debug, Clone, Default)]
pub struct LegSet {
    records: Vec<ReadRecord>,
}

impl LegSet {
    /// Reads every record in a folder and the folders in it. Files that are no records are passed over.
    ///
    /// # Errors
    /// The folder or a file in it cannot be read, or a record is of another version or form.
    pub fn read(folder: &Path) -> Result<Self, Vec<Finding>> {
        let unreadable = |file: &Path, why: &dyn std::fmt::Display| {
            Finding::error(&LEG_UNREADABLE, format!("{} cannot be read as a record: {why}", file.display()))
                .help("name the folder that the legs' records were carried to")
        };
        let mut files = Vec::new();
        if let Err(error) = list(folder, 0, &mut files) {
            return Err(vec![unreadable(folder, &error)]);
        }
        files.sort();
        let (mut records, mut findings) = (Vec::new(), Vec::new());
        for file in files {
            match read_record(&file) {
                Ok(Some(record)) => records.push(ReadRecord { file, record }),
                Ok(None) => {}
                Err(error) => findings.push(unreadable(&file, &error)),
            }
        }
        if findings.is_empty() { Ok(Self { records }) } else { Err(findings) }
    }

    /// A set of these records.
    pub fn of(records: Vec<ReadRecord>) -> Self {
        Self { records }
    }

    /// All records.
    pub fn records(&self) -> &[ReadRecord] {
        &self.records
    }

    /// The record of a leg.
    pub fn of_leg(&self, image: &str, platform: &Platform) -> Option<&ReadRecord> {
        self.records.iter().find(|read| read.record.image == image && read.record.platform == *platform)
    }

    /// What keeps the set from being joined as these images of the plan; nothing is asked of a registry.
    pub fn check(&self, plan: &Plan, images: &[&PlannedImage]) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut seen: BTreeMap<(&str, String), &ReadRecord> = BTreeMap::new();
        for read in &self.records {
            let record = &read.record;
            let name = format!("{} {}", record.image, record.platform);
            let planned = plan.images.iter().find(|image| image.name == record.image);
            let Some(image) = planned.filter(|image| image.platforms.contains(&record.platform)) else {
                let message = format!("{} is of {name}, which is not in the plan", read.file.display());
                let finding = Finding::error(&LEG_UNEXPECTED, message).about(&record.manifest.digest);
                findings.push(finding.help("take the record away, or add the leg to the configuration"));
                continue;
            };
            if !images.iter().any(|wanted| wanted.name == record.image) {
                continue;
            }
            let key = (record.image.as_str(), record.platform.to_string());
            if let Some(other) = seen.get(&key) {
                if other.record != *record {
                    let files = format!("{} and {}", other.file.display(), read.file.display());
                    let message = format!("{files} are both of {name}, and differ");
                    let finding = Finding::error(&LEG_TWICE, message).about(&record.manifest.digest);
                    findings.push(finding.help("keep the record of the build that counts"));
                }
                continue;
            }
            seen.insert(key, read);
            let differences = record.differences(plan, image);
            if !differences.is_empty() {
                let message =
                    format!("{name} was built otherwise than planned here: {}", differences.join("; "));
                let finding = Finding::error(&LEG_FOREIGN, message).about(&record.manifest.digest);
                findings.push(finding.help("build the leg again from this commit with this configuration"));
            }
            findings.extend(report(read));
        }
        for image in images {
            for platform in &image.platforms {
                if !seen.contains_key(&(image.name.as_str(), platform.to_string())) {
                    let message = format!("there is no record of {} {platform}", image.name);
                    let help = format!("loadline build --leg {}:{platform} --record FILE", image.name);
                    findings.push(Finding::error(&LEG_MISSING, message).help(format!("build it: {help}")));
                }
            }
        }
        findings
    }

    /// The scan report that was bound on the leg's own machine: its file, once it is known to be the one.
    pub fn report_of(&self, image: &str, platform: &Platform) -> Option<PathBuf> {
        self.of_leg(image, platform).and_then(report_file)
    }
}

fn report_file(read: &ReadRecord) -> Option<PathBuf> {
    let bound = read.record.report.as_ref()?;
    Some(read.file.parent().unwrap_or(Path::new(".")).join(&bound.file))
}

/// A report that a record binds is the one that was bound, and bound to what the record is of.
fn report(read: &ReadRecord) -> Option<Finding> {
    let bound = read.record.report.as_ref()?;
    let name = format!("{} {}", read.record.image, read.record.platform);
    let refuse = |what: String| {
        let finding = Finding::error(&LEG_REPORT, format!("the scan report of {name} {what}"));
        Some(
            finding
                .about(&read.record.manifest.digest)
                .help("carry the report over beside its record, as it was"),
        )
    };
    if Path::new(&bound.file).components().count() != 1 || bound.file == ".." {
        return refuse(format!("is `{}`, which is no file beside the record", bound.file));
    }
    if bound.subject != read.record.manifest.digest {
        return refuse(format!("was bound to {}, and the leg is another", bound.subject));
    }
    let file = report_file(read)?;
    match digest_of(&file) {
        Ok(digest) if digest == bound.digest => None,
        Ok(digest) => refuse(format!("has the digest {digest}, not {} as when it was bound", bound.digest)),
        Err(error) => refuse(format!("cannot be read from {}: {error}", file.display())),
    }
}

fn list(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let metadata = path.metadata()?;
        if metadata.is_dir() && depth < DEPTH {
            list(&path, depth + 1, files)?;
        } else if metadata.is_file() && path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
            if files.len() > MOST_FILES {
                return Err(io::Error::other(format!("there are more than {MOST_FILES} files")));
            }
        }
    }
    Ok(())
}

/// A record; none where the file is something else.
fn read_record(file: &Path) -> io::Result<Option<LegRecord>> {
    let mut bytes = Vec::new();
    File::open(file)?.take(RECORD_LIMIT + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > RECORD_LIMIT {
        return Ok(None);
    }
    let Ok(SchemaName { schema }) = serde_json::from_slice::<SchemaName>(&bytes) else { return Ok(None) };
    if schema == LEG {
        return serde_json::from_slice(&bytes).map(Some).map_err(io::Error::other);
    }
    match schema.starts_with("loadline/leg/") {
        true => Err(io::Error::other(format!("it is `{schema}`, and this loadline reads `{LEG}`"))),
        false => Ok(None),
    }
}

/// The digest that a leg was built as, by its record.
impl ReadRecord {
    /// The manifest's digest.
    pub fn digest(&self) -> &Digest {
        &self.record.manifest.digest
    }
}
