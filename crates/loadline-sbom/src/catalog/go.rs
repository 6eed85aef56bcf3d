//! What the Go linker writes into a binary: the Go version and the module list (Go's `debug/buildinfo`).

use object::Endianness;
use object::read::{File, Object, ObjectSegment};

use crate::package::{Ecosystem, Kind, Package};
use crate::purl::golang;

const MAGIC: &[u8] = b"\xff Go buildinf:";
const ALIGN: usize = 16;
const INLINE_AT: usize = 32;
/// The most bytes of module information that are believed.
const MAX_TEXT: u64 = 16 << 20;

/// The packages of the build information in this section; none when the section holds none.
pub(super) fn packages(file: &File<'_>, section: &[u8]) -> Result<Vec<Package>, String> {
    let Some(blob) = section
        .chunks(ALIGN)
        .position(|chunk| chunk.starts_with(MAGIC))
        .and_then(|n| section.get(n * ALIGN..))
    else {
        return Ok(Vec::new());
    };
    let (version, modules) = strings(file, blob).ok_or("cut off")?;
    Ok(read(&version, &modules))
}

fn strings(file: &File<'_>, blob: &[u8]) -> Option<(String, String)> {
    let flags = *blob.get(15)?;
    let (version, modules) = if flags & 2 != 0 {
        let (version, rest) = counted(blob.get(INLINE_AT..)?)?;
        let (modules, _) = counted(rest)?;
        (version.to_vec(), modules.to_vec())
    } else {
        // Before Go 1.18: pointers to string headers.
        let size = usize::from(*blob.get(14)?);
        let endian = if flags & 1 != 0 { Endianness::Big } else { Endianness::Little };
        let at = |n: usize| pointer(blob.get(ALIGN + n * size..)?, size, endian);
        (string_at(file, at(0)?, size, endian)?, string_at(file, at(1)?, size, endian)?)
    };
    // The module text stands between two marks of 16 bytes.
    let modules = match modules.len().checked_sub(17) {
        Some(end) if end >= 16 && modules.get(end) == Some(&b'\n') => modules.get(16..=end)?.to_vec(),
        _ => Vec::new(),
    };
    Some((String::from_utf8_lossy(&version).into_owned(), String::from_utf8_lossy(&modules).into_owned()))
}

/// A text with its length before it, as an unsigned varint.
fn counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut length = 0_u64;
    for (n, byte) in bytes.iter().take(10).enumerate() {
        length |= u64::from(byte & 0x7f).checked_shl(7 * u32::try_from(n).ok()?)?;
        if byte & 0x80 == 0 {
            let rest = bytes.get(n + 1..)?;
            return rest.split_at_checked(usize::try_from(length).ok()?);
        }
    }
    None
}

fn pointer(bytes: &[u8], size: usize, endian: Endianness) -> Option<u64> {
    let little = endian == Endianness::Little;
    match size {
        4 => {
            let four: [u8; 4] = bytes.get(..4)?.try_into().ok()?;
            Some(u64::from(if little { u32::from_le_bytes(four) } else { u32::from_be_bytes(four) }))
        }
        8 => {
            let eight: [u8; 8] = bytes.get(..8)?.try_into().ok()?;
            Some(if little { u64::from_le_bytes(eight) } else { u64::from_be_bytes(eight) })
        }
        _ => None,
    }
}

/// The Go string whose header (pointer, length) is at this address.
fn string_at(file: &File<'_>, address: u64, size: usize, endian: Endianness) -> Option<Vec<u8>> {
    let header = memory(file, address, 2 * size as u64)?;
    let data = pointer(header, size, endian)?;
    let length = pointer(header.get(size..)?, size, endian)?;
    if length > MAX_TEXT {
        return None;
    }
    memory(file, data, length).map(<[u8]>::to_vec)
}

fn memory<'a>(file: &File<'a>, address: u64, length: u64) -> Option<&'a [u8]> {
    file.segments().find_map(|segment| segment.data_range(address, length).ok().flatten())
}

/// The packages that the module text names: lines of `path`, `mod`, `dep` and `=>`, fields parted by tabs.
fn read(go_version: &str, modules: &str) -> Vec<Package> {
    let mut found: Vec<Package> = Vec::new();
    let mut main = None;
    for line in modules.lines() {
        let mut fields = line.split('\t');
        let kind = fields.next().unwrap_or("");
        let (path, version) = (fields.next().unwrap_or(""), fields.next().unwrap_or(""));
        match kind {
            "mod" if !path.is_empty() => {
                let mut package = module(path, version);
                package.kind = Kind::Application;
                main = Some(found.len());
                found.push(package);
            }
            "dep" if !path.is_empty() => found.push(module(path, version)),
            // What the module before was replaced with is what was built in.
            "=>" if !path.is_empty() => {
                if let Some(last) = found.last_mut().filter(|last| last.kind == Kind::Library) {
                    let mut replacement = module(path, version);
                    replacement.properties.insert(("loadline:go:replaces", last.name.clone()));
                    *last = replacement;
                }
            }
            _ => {}
        }
    }
    // `go1.22.1 X:loopvar` and `go1.22.1-custom`: the first is version 1.22.1 with an experiment.
    if let Some(version) = go_version.split_whitespace().next().and_then(|version| version.strip_prefix("go"))
    {
        found.push(module("stdlib", version));
    }
    if let Some(main) = main {
        let refs: Vec<String> = found.iter().map(Package::bom_ref).collect();
        if let Some(program) = found.get_mut(main) {
            program.depends =
                refs.into_iter().enumerate().filter(|(n, _)| *n != main).map(|(_, text)| text).collect();
        }
    }
    found
}

fn module(path: &str, version: &str) -> Package {
    let version = Some(version.to_owned()).filter(|version| !version.is_empty() && version != "(devel)");
    let mut package = Package::new(Ecosystem::Golang, Kind::Library, path, version);
    // A replacement by a folder has no name that anyone else could look up.
    let local = path.starts_with("./") || path.starts_with("../") || path.starts_with('/');
    if !local {
        package.purl = golang(path, package.version.as_deref());
    }
    package
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MODULES: &str = "path\texample.com/app/cmd\nmod\texample.com/app\t(devel)\t\ndep\tgolang.org/x/net\tv0.33.0\th1:aaa=\ndep\tgithub.com/a/b\tv1.0.0\n=>\tgithub.com/fork/b\tv1.0.1\th1:bbb=\ndep\texample.com/local\tv0.0.0\n=>\t./local\t(devel)\nbuild\t-compiler=gc\n";

    #[test]
    fn modules_replacements_and_the_standard_library() {
        let found = read("go1.26.1 X:nodwarf5", MODULES);
        let purls: Vec<_> = found.iter().map(|p| p.purl.as_deref().unwrap_or("-")).collect();
        assert_eq!(
            purls,
            [
                "pkg:golang/example.com/app",
                "pkg:golang/golang.org/x/net@v0.33.0",
                "pkg:golang/github.com/fork/b@v1.0.1",
                "-",
                "pkg:golang/stdlib@1.26.1"
            ]
        );
        assert_eq!(found[0].kind, Kind::Application);
        assert_eq!(found[0].depends.len(), 4);
        assert_eq!(found[3].bom_ref(), "golang:./local");
    }

    #[test]
    fn counted_texts() {
        assert_eq!(counted(b"\x03abcd"), Some((b"abc".as_slice(), b"d".as_slice())));
        assert_eq!(counted(b"\x05abc"), None);
        assert_eq!(counted(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"), None);
        assert_eq!(counted(b""), None);
    }

    proptest! {
        #[test]
        fn no_length_panics(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = counted(&bytes);
        }

        #[test]
        fn no_module_text_panics(text in "\\PC{0,200}", version in "\\PC{0,20}") {
            let _ = read(&version, &text.replace(' ', "\t"));
        }
    }
}
