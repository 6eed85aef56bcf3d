//! Root file systems in memory, and the official schema.

use std::io::Write;

use jsonschema::{Registry, Validator};
use loadline_core::rootfs::{Entry, EntryKind, RootFs, RootFsError, Visitor};
use loadline_core::{Digest, Platform, RepositoryName};
use loadline_sbom::Subject;
use serde_json::Value;

/// A root file system in memory.
#[derive(Default, Clone)]
pub(crate) struct Memory(Vec<(Entry, Vec<u8>)>);

impl Memory {
    pub(crate) fn file(&mut self, path: &str, layer: usize, bytes: &[u8]) {
        let size = bytes.len() as u64;
        let entry = Entry { path: path.to_owned(), kind: EntryKind::File, size, mode: 0o755, layer };
        self.0.push((entry, bytes.to_vec()));
    }

    pub(crate) fn link(&mut self, path: &str, target: &str) {
        let kind = EntryKind::Symlink(target.to_owned());
        self.0.push((Entry { path: path.to_owned(), kind, size: 0, mode: 0o777, layer: 0 }, Vec::new()));
    }

    pub(crate) fn reversed(mut self) -> Self {
        self.0.reverse();
        self
    }
}

impl RootFs for Memory {
    fn visit(&self, visitor: &mut Visitor<'_>) -> Result<(), RootFsError> {
        for (entry, bytes) in &self.0 {
            visitor(entry, &mut bytes.as_slice())
                .map_err(|source| RootFsError::Layer { layer: entry.layer, source })?;
        }
        Ok(())
    }
}

/// A subject of a fixed name, repository and date.
pub(crate) fn subject<'a>(
    digest: &'a Digest,
    platform: Option<&'a Platform>,
    diff_ids: &'a [Digest],
) -> Subject<'a> {
    static REPOSITORY: std::sync::OnceLock<RepositoryName> = std::sync::OnceLock::new();
    let repository = REPOSITORY.get_or_init(|| "docker.io/chrisleekr/github-app".parse().unwrap());
    Subject {
        name: "orchestrator",
        repository: Some(repository),
        digest,
        platform,
        diff_ids,
        created: "2026-01-02T03:04:05Z".parse().unwrap(),
    }
}

/// A Debian image: dpkg, npm, Python, a Go program and a Rust program; base in layer 0, the rest in layer 1.
pub(crate) fn debian(architecture: &str) -> Memory {
    let mut image = Memory::default();
    image.link("etc/os-release", "../usr/lib/os-release");
    image.file(
        "usr/lib/os-release",
        0,
        b"PRETTY_NAME=\"Debian GNU/Linux 13 (trixie)\"\nID=debian\nVERSION_ID=\"13\"\nVERSION_CODENAME=trixie\n",
    );
    let status = format!(
        "Package: bash\nStatus: install ok installed\nMaintainer: Matthias Klose <doko@debian.org>\nArchitecture: {architecture}\nVersion: 5.2.37-2+b5\nSource: bash (5.2.37-2)\nPre-Depends: libc6 (>= 2.38), libtinfo6 (>= 6)\nDescription: a shell\n long text\n .\n more\n\nPackage: libc6\nStatus: install ok installed\nArchitecture: {architecture}\nMulti-Arch: same\nVersion: 2.41-12\nSource: glibc\n\nPackage: gone\nStatus: deinstall ok config-files\nArchitecture: {architecture}\nVersion: 1\n\nPackage: tzdata\nStatus: install ok installed\nArchitecture: all\nVersion: 2025b-4\n"
    );
    image.file("var/lib/dpkg/status", 1, status.as_bytes());
    image.file("var/lib/dpkg/info/bash.list", 0, b"/bin/bash\n");
    image.file(&format!("var/lib/dpkg/info/libc6:{architecture}.list"), 0, b"");
    image.file(
        "usr/share/doc/bash/copyright",
        0,
        b"Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\nFiles: *\nCopyright: FSF\nLicense: GPL-3+\n",
    );
    image.file("app/package.json", 1, br#"{"name":"app","version":"1.0.0","license":"MIT"}"#);
    image.file(
        "app/node_modules/left-pad/package.json",
        1,
        br#"{"name":"left-pad","version":"1.3.0","license":"WTFPL","author":"azer"}"#,
    );
    image.file("app/node_modules/left-pad/dist/package.json", 1, br#"{"type":"module"}"#);
    image.file(
        "app/node_modules/@babel/core/package.json",
        1,
        br#"{"name":"@babel/core","version":"7.26.0","license":"MIT","author":{"name":"The Babel Team"}}"#,
    );
    image.file(
        "app/node_modules/.package-lock.json",
        1,
        br#"{"lockfileVersion":3,"packages":{"node_modules/left-pad":{"version":"1.3.0","integrity":"sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk="}}}"#,
    );
    image.file(
        "usr/lib/python3/dist-packages/zope.interface-7.2.dist-info/METADATA",
        1,
        b"Metadata-Version: 2.4\nName: zope.interface\nVersion: 7.2\nLicense-Expression: ZPL-2.1\n\n# Text\nName: not this\n",
    );
    image.file("usr/bin/app", 1, &go_program());
    image.file("usr/bin/tool", 1, &rust_program());
    image.file("usr/bin/script", 1, b"#!/bin/sh\n");
    image
}

/// An Alpine image.
pub(crate) fn alpine() -> Memory {
    let mut image = Memory::default();
    image.file("etc/os-release", 0, b"ID=alpine\nVERSION_ID=3.22.1\n");
    image.file("usr/lib/os-release", 0, b"ID=alpine\nVERSION_ID=3.22.1\n");
    image.file(
        "lib/apk/db/installed",
        0,
        b"C:Q1abc=\nP:musl\nV:1.2.5-r10\nA:x86_64\nL:MIT\no:musl\nm:Timo <x@y>\np:so:libc.musl-x86_64.so.1=1\nF:lib\nR:libc.so\n\nP:busybox\nV:1.37.0-r18\nA:x86_64\nL:GPL-2.0-only\nD:so:libc.musl-x86_64.so.1 !bad\n\n",
    );
    image
}

fn elf(section: &str, data: &[u8]) -> Vec<u8> {
    use object::write::Object;
    use object::{Architecture, BinaryFormat, Endianness, SectionKind};
    let mut file = Object::new(BinaryFormat::Elf, Architecture::X86_64, Endianness::Little);
    let id = file.add_section(Vec::new(), section.as_bytes().to_vec(), SectionKind::Data);
    file.append_section_data(id, data, 16);
    file.write().unwrap()
}

/// An ELF file with Go's build information, as Go 1.18 and later write it.
pub(crate) fn go_program() -> Vec<u8> {
    let modules = "path\texample.com/app\nmod\texample.com/app\t(devel)\t\ndep\tgolang.org/x/net\tv0.33.0\th1:x=\ndep\texample.com/local\tv0.0.0\n=>\t./local\t(devel)\nbuild\t-compiler=gc\n";
    let mut data = b"\xff Go buildinf:\x08\x02".to_vec();
    data.resize(32, 0);
    let version = b"go1.26.1";
    data.push(u8::try_from(version.len()).unwrap());
    data.extend(version);
    let marked = [[0x30; 16].as_slice(), modules.as_bytes(), &[0x31; 16]].concat();
    data.extend([
        u8::try_from(marked.len() & 0x7f).unwrap() | 0x80,
        u8::try_from(marked.len() >> 7).unwrap(),
    ]);
    data.extend(marked);
    elf(".go.buildinfo", &data)
}

/// An ELF file with cargo-auditable's section.
pub(crate) fn rust_program() -> Vec<u8> {
    let json = br#"{"packages":[{"name":"serde","version":"1.0.200","source":"crates.io"},
        {"name":"tool","version":"0.1.0","source":"local","dependencies":[0],"root":true}]}"#;
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(json).unwrap();
    elf(".dep-v0", &encoder.finish().unwrap())
}

fn schema_file(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// The official schema of CycloneDX 1.6.
pub(crate) fn schema() -> Validator {
    let bom = schema_file(include_str!("../schema/bom-1.6.SNAPSHOT.schema.json"));
    let spdx = schema_file(include_str!("../schema/spdx.SNAPSHOT.schema.json"));
    let jsf = schema_file(include_str!("../schema/jsf-0.82.SNAPSHOT.schema.json"));
    let registry = Registry::new()
        .add("http://cyclonedx.org/schema/spdx.SNAPSHOT.schema.json", spdx)
        .unwrap()
        .add("http://cyclonedx.org/schema/jsf-0.82.SNAPSHOT.schema.json", jsf)
        .unwrap()
        .prepare()
        .unwrap();
    jsonschema::options().with_registry(&registry).should_validate_formats(true).build(&bom).unwrap()
}

/// An ELF file as Go before 1.18 linked it: the build information points to string headers in memory.
pub(crate) fn old_go_program() -> Vec<u8> {
    const BASE: u64 = 0x40_0000;
    let modules =
        "path\texample.com/old\nmod\texample.com/old\tv1.0.0\th1:x=\ndep\tgithub.com/a/b\tv2.0.0\th1:y=\n";
    let marked = [[0x30; 16].as_slice(), modules.as_bytes(), &[0x31; 16]].concat();
    let version = b"go1.16.5".to_vec();
    let names = b"\0.go.buildinfo\0.shstrtab\0";

    let info_at = 64 + 56;
    let headers_at = info_at + 32;
    let version_at = headers_at + 32;
    let modules_at = version_at + version.len();
    let names_at = modules_at + marked.len();
    let sections_at = names_at + names.len();
    let total = sections_at + 3 * 64;

    let mut file = b"\x7fELF\x02\x01\x01".to_vec();
    file.resize(16, 0);
    let half = |file: &mut Vec<u8>, n: u16| file.extend(n.to_le_bytes());
    let word = |file: &mut Vec<u8>, n: usize| file.extend(u32::try_from(n).unwrap().to_le_bytes());
    let long = |file: &mut Vec<u8>, n: u64| file.extend(n.to_le_bytes());
    half(&mut file, 2); // an executable
    half(&mut file, 62); // x86-64
    word(&mut file, 1);
    long(&mut file, BASE);
    long(&mut file, 64);
    long(&mut file, sections_at as u64);
    word(&mut file, 0);
    for n in [64, 56, 1, 64, 3, 2] {
        half(&mut file, n);
    }
    // One segment: the whole file at BASE.
    word(&mut file, 1);
    word(&mut file, 6);
    for n in [0, BASE, BASE, total as u64, total as u64, 16] {
        long(&mut file, n);
    }
    // The build information: pointers of 8 bytes, little endian.
    file.extend(b"\xff Go buildinf:\x08\x00");
    long(&mut file, BASE + headers_at as u64);
    long(&mut file, BASE + headers_at as u64 + 16);
    for (at, length) in [(version_at, version.len()), (modules_at, marked.len())] {
        long(&mut file, BASE + at as u64);
        long(&mut file, length as u64);
    }
    file.extend(version);
    file.extend(marked);
    file.extend(names);
    let section = |file: &mut Vec<u8>, name: usize, kind: usize, at: usize, size: usize| {
        word(file, name);
        word(file, kind);
        long(file, 0);
        long(file, if kind == 1 { BASE + at as u64 } else { 0 });
        long(file, at as u64);
        long(file, size as u64);
        word(file, 0);
        word(file, 0);
        long(file, 1);
        long(file, 0);
    };
    section(&mut file, 0, 0, 0, 0);
    section(&mut file, 1, 1, info_at, 32);
    section(&mut file, 15, 3, names_at, names.len());
    assert_eq!(file.len(), total);
    file
}
