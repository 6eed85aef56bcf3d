//! Tar headers' extensions: what does not fit a ustar header goes into records before it
//! (POSIX.1-2001, "pax Extended Header").

use std::collections::BTreeMap;
use std::io::{self, Write};

use tar::{EntryType, Header};

use super::path;

/// The zeros up to the next block.
pub(super) fn pad(out: &mut impl Write, size: u64) -> io::Result<()> {
    let rest = usize::try_from(size % 512).unwrap_or(0);
    if rest > 0 { out.write_all(&[0; 512][rest..]) } else { Ok(()) }
}

/// The records of a PAX header, in the order of their keys.
#[derive(Default)]
pub(super) struct Pax(BTreeMap<String, Vec<u8>>);

impl Pax {
    pub(super) fn add(&mut self, key: &str, value: &[u8]) {
        self.0.insert(key.to_owned(), value.to_owned());
    }

    /// A number for the header: itself if it fits, else 0 and a record.
    pub(super) fn number(&mut self, key: &str, value: u64, most: u64) -> u64 {
        if value <= most {
            return value;
        }
        self.add(key, value.to_string().as_bytes());
        0
    }

    /// The entry's path.
    pub(super) fn name(&mut self, header: &mut Header, name: &str) {
        let Some(ustar) = header.as_ustar_mut() else { return };
        if name.is_ascii() {
            if name.len() <= 100 {
                ustar.name[..name.len()].copy_from_slice(name.as_bytes());
                return;
            }
            // The longest prefix that fits, cut at a `/` that is not the last byte.
            let cut = name.as_bytes()[..name.len() - 1].iter().take(156).rposition(|byte| *byte == b'/');
            if let Some(cut) = cut.filter(|cut| *cut > 0 && name.len() - cut - 1 <= 100) {
                ustar.prefix[..cut].copy_from_slice(&name.as_bytes()[..cut]);
                ustar.name[..name.len() - cut - 1].copy_from_slice(&name.as_bytes()[cut + 1..]);
                return;
            }
        }
        self.add("path", name.as_bytes());
        fill(&mut ustar.name, name);
    }

    /// A symbolic link's target.
    pub(super) fn link(&mut self, header: &mut Header, target: &str) {
        let Some(ustar) = header.as_ustar_mut() else { return };
        if !target.is_ascii() || target.len() > 100 {
            self.add("linkpath", target.as_bytes());
        }
        fill(&mut ustar.linkname, target);
    }

    /// Writes the header and its records, if there are any.
    pub(super) fn write(&self, out: &mut impl Write, path: &str) -> io::Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        let mut records = Vec::new();
        for (key, value) in &self.0 {
            // The record's own length, which counts its own digits.
            let rest = key.len() + value.len() + 3;
            let mut length = rest + 1;
            while rest + length.to_string().len() != length {
                length = rest + length.to_string().len();
            }
            write!(records, "{length} {key}=")?;
            records.extend_from_slice(value);
            records.push(b'\n');
        }
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::XHeader);
        if let Some(ustar) = header.as_ustar_mut() {
            fill(&mut ustar.name, &format!("PaxHeaders.0/{}", path::name(path)));
        }
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_device_major(0)?;
        header.set_device_minor(0)?;
        header.set_size(records.len() as u64);
        header.set_cksum();
        out.write_all(header.as_bytes())?;
        out.write_all(&records)?;
        pad(out, records.len() as u64)
    }
}

/// As much of a text as fits, with anything but ASCII left out: what readers without PAX see.
fn fill(field: &mut [u8], text: &str) {
    for (to, from) in field.iter_mut().zip(text.bytes().filter(u8::is_ascii)) {
        *to = from;
    }
}
