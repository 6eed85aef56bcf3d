//! How layers are compressed, by their media type.

use std::io::{self, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

use crate::error::RegistryErrorKind;

const BUFFER: usize = 256 << 10;
/// The largest window of a zstd frame that is unpacked, as a power of two: 128 MiB, zstd's own default.
const ZSTD_WINDOW: u32 = 27;

/// How a layer is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip.
    Gzip,
    /// zstd.
    Zstd,
}

impl Compression {
    /// The compression that a layer's media type names (layer.md; docker's types too).
    ///
    /// # Errors
    /// It is no layer's media type.
    pub fn of_media_type(media_type: &str) -> Result<Self, RegistryErrorKind> {
        let unsupported = || RegistryErrorKind::Unsupported {
            message: format!("`{media_type}` is not the media type of a layer that is read"),
        };
        let rest = media_type
            .strip_prefix("application/vnd.oci.image.layer.v1.tar")
            .or_else(|| media_type.strip_prefix("application/vnd.oci.image.layer.nondistributable.v1.tar"));
        match rest {
            Some("") => return Ok(Self::None),
            Some("+gzip") => return Ok(Self::Gzip),
            Some("+zstd") => return Ok(Self::Zstd),
            Some(_) => return Err(unsupported()),
            None => {}
        }
        match media_type {
            "application/vnd.docker.image.rootfs.diff.tar.gzip"
            | "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip" => Ok(Self::Gzip),
            "application/vnd.docker.image.rootfs.diff.tar.zstd" => Ok(Self::Zstd),
            "application/vnd.docker.image.rootfs.diff.tar" => Ok(Self::None),
            _ => Err(unsupported()),
        }
    }
}

/// The uncompressed bytes. Several gzip members or zstd frames one behind the other are one stream.
pub(super) fn decompress<'a, R: Read + 'a>(
    reader: R,
    compression: Compression,
) -> io::Result<Box<dyn Read + 'a>> {
    let buffered = BufReader::with_capacity(BUFFER, reader);
    Ok(match compression {
        Compression::None => Box::new(buffered),
        Compression::Gzip => Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(buffered))),
        Compression::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(buffered)?;
            decoder.window_log_max(ZSTD_WINDOW)?;
            Box::new(BufReader::with_capacity(BUFFER, decoder))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_name_the_compression() {
        for (media_type, expected) in [
            ("application/vnd.oci.image.layer.v1.tar", Compression::None),
            ("application/vnd.oci.image.layer.v1.tar+gzip", Compression::Gzip),
            ("application/vnd.oci.image.layer.v1.tar+zstd", Compression::Zstd),
            ("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", Compression::Gzip),
            ("application/vnd.docker.image.rootfs.diff.tar.gzip", Compression::Gzip),
        ] {
            assert_eq!(Compression::of_media_type(media_type).unwrap(), expected);
        }
        for bad in ["application/vnd.oci.image.layer.v1.tar+lzma", "application/vnd.in-toto+json", ""] {
            assert!(Compression::of_media_type(bad).is_err(), "{bad}");
        }
    }
}
