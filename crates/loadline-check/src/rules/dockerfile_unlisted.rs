//! Every Dockerfile of the repository belongs to an image of the set.

use std::collections::HashSet;

use camino::{Utf8Path, Utf8PathBuf};
use loadline_core::{Code, Failure, Finding, Location, Outcome};

use crate::discover::is_dockerfile;
use crate::images::ImagesRequest;
use crate::parsed::Parsed;
use crate::rules::{dockerfile_invalid, secret_in_dockerfile};

/// A Dockerfile that nothing builds.
pub static UNLISTED: Code = Code::new(
    "dockerfile-unlisted",
    "a Dockerfile belongs to no image of the configuration",
    "Either an image was forgotten in `loadline.toml`, and is released (or not) by other means without scan \
     and proof, or the file is a left-over. Add the image, or remove the file; where it serves development \
     only, this note may stay.",
);

/// Looks for Dockerfiles that no image names. Where one can be read, secrets are looked for in it.
pub(crate) fn check(request: &ImagesRequest<'_>, parsed: &Parsed, outcome: &mut Outcome) {
    let files = match request.tree.files() {
        Ok(files) => files,
        Err(error) => {
            outcome.failures.push(Failure::new(&dockerfile_invalid::UNREADABLE, error.to_string()));
            return;
        }
    };
    let normal = |file: &Utf8Path| file.components().filter(|c| c.as_str() != ".").collect::<Utf8PathBuf>();
    let listed: HashSet<String> =
        request.images.iter().map(|image| normal(image.dockerfile).into_string()).collect();
    for file in files.iter().filter(|file| is_dockerfile(file) && !listed.contains(file.as_str())) {
        let message = format!("`{file}` belongs to no image of the configuration");
        let help = "add the image to `loadline.toml`, or remove the file";
        outcome.findings.push(Finding::note(&UNLISTED, message).at(Location::file(file)).help(help));
        let bytes = request.tree.read(file).ok();
        if let Some(dockerfile) = bytes.and_then(|bytes| parsed.get(file, &bytes).ok()) {
            secret_in_dockerfile::unlisted(file, &dockerfile, outcome);
        }
    }
}
