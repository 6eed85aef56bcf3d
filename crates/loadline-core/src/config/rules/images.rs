//! Images: there is at least one, their names can stand in tags, their build arguments in ARG.

use crate::config::codes;
use crate::config::model::Config;
use crate::config::read::{Reader, shown};

pub(super) fn check(reader: &mut Reader<'_>, config: &Config) {
    if config.images.is_empty() && reader.places.span("image").is_some() {
        reader.error(
            &codes::EMPTY,
            "image",
            "there is no image",
            "add a table `[image.NAME]` with `dockerfile`",
        );
    }
    for (name, image) in &config.images {
        let path = format!("image.{name}");
        if !is_image_name(name) {
            let message = format!("`{}` is not a name for an image", shown(name));
            let help = "use lower-case letters and digits, with single `-` or `_` between them";
            reader.error(&codes::IMAGE_NAME, &path, message, help);
        }
        for argument in image.build_args.keys() {
            let letters = argument.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
            if argument.is_empty() || !letters || argument.starts_with(|c: char| c.is_ascii_digit()) {
                let message = format!("`{}` cannot be declared by ARG", shown(argument));
                let help = "use letters, digits and `_`, not beginning with a digit";
                reader.error(&codes::BAD_BUILD_ARG, &format!("{path}.build-args.{argument}"), message, help);
            }
        }
    }
}

fn is_image_name(name: &str) -> bool {
    name.len() <= 63
        && name.split(['-', '_']).all(|part| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        })
}
