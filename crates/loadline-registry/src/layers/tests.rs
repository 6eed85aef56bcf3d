use std::collections::BTreeMap;
use std::io::Write;

use proptest::prelude::*;
use tar::{Builder, EntryType, Header};

use super::*;

/// One entry as it goes into a tar archive.
#[derive(Debug, Clone)]
enum Item {
    File(String, Vec<u8>),
    Directory(String),
    Symlink(String, String),
    Hardlink(String, String),
    Whiteout(String),
    Opaque(String),
}

fn archive(items: &[Item]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for item in items {
        let mut header = Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(0);
        let base = |path: &str, name: &str| match path.rsplit_once('/') {
            Some((parent, base)) => format!("{parent}/{}", name.replace("{}", base)),
            None => name.replace("{}", path),
        };
        match item {
            Item::File(path, content) => {
                header.set_entry_type(EntryType::Regular);
                header.set_size(content.len() as u64);
                builder.append_data(&mut header, path, content.as_slice()).unwrap();
            }
            Item::Directory(path) => {
                header.set_entry_type(EntryType::Directory);
                builder.append_data(&mut header, format!("{path}/"), io::empty()).unwrap();
            }
            Item::Symlink(path, target) | Item::Hardlink(path, target) => {
                let symlink = matches!(item, Item::Symlink(..));
                header.set_entry_type(if symlink { EntryType::Symlink } else { EntryType::Link });
                builder.append_link(&mut header, path, target).unwrap();
            }
            Item::Whiteout(path) => {
                builder.append_data(&mut header, base(path, ".wh.{}"), io::empty()).unwrap();
            }
            Item::Opaque(path) => {
                let name =
                    if path.is_empty() { ".wh..wh..opq".to_owned() } else { format!("{path}/.wh..wh..opq") };
                builder.append_data(&mut header, name, io::empty()).unwrap();
            }
        }
    }
    builder.into_inner().unwrap()
}

fn rootfs(layers: &[Vec<Item>]) -> LayeredRootFs {
    let layers = layers.iter().map(|items| Layer::bytes(archive(items), Compression::None)).collect();
    LayeredRootFs::new(layers, Limits::default())
}

type Seen = BTreeMap<String, (EntryKind, Vec<u8>, usize)>;

fn seen(rootfs: &LayeredRootFs) -> Seen {
    let mut all = Seen::new();
    rootfs
        .visit(&mut |entry, content| {
            let mut bytes = Vec::new();
            content.read_to_end(&mut bytes)?;
            assert_eq!(bytes.len() as u64, entry.size);
            let before = all.insert(entry.path.clone(), (entry.kind.clone(), bytes, entry.layer));
            assert!(before.is_none(), "{} was seen twice", entry.path);
            Ok(())
        })
        .unwrap();
    all
}

fn file(path: &str, content: &str) -> Item {
    Item::File(path.to_owned(), content.as_bytes().to_vec())
}

fn paths(rootfs: &LayeredRootFs) -> Vec<String> {
    seen(rootfs).into_keys().collect()
}

#[test]
fn upper_layers_win_and_whiteouts_delete() {
    let rootfs = rootfs(&[
        vec![
            Item::Directory("etc".into()),
            file("etc/a", "old"),
            file("etc/b", "b"),
            file("gone", "x"),
            Item::Directory("dir".into()),
            file("dir/one", "1"),
            file("dir/two", "2"),
        ],
        vec![
            file("etc/a", "new"),
            Item::Whiteout("gone".into()),
            Item::Opaque("dir".into()),
            file("dir/three", "3"),
        ],
    ]);
    let all = seen(&rootfs);
    assert_eq!(all["etc/a"], (EntryKind::File, b"new".to_vec(), 1));
    assert_eq!(all["etc/b"], (EntryKind::File, b"b".to_vec(), 0));
    assert_eq!(all.keys().collect::<Vec<_>>(), ["dir", "dir/three", "etc", "etc/a", "etc/b"]);
    assert_eq!(seen(&rootfs), all, "a second visit sees the same");
}

#[test]
fn a_whiteout_does_not_touch_its_own_layer() {
    let layers = [vec![file("a/x", "lower")], vec![Item::Whiteout("a".into()), file("a/y", "upper")]];
    assert_eq!(paths(&rootfs(&layers)), ["a/y"]);
    let layers = [vec![file("a", "lower")], vec![file("a", "upper"), Item::Whiteout("a".into())]];
    assert_eq!(seen(&rootfs(&layers))["a"].1, b"upper");
}

#[test]
fn a_file_hides_the_directory_below_it_and_back() {
    let layers = [vec![file("a/b", "1")], vec![file("a", "file")], vec![file("a/c", "2")]];
    assert_eq!(paths(&rootfs(&layers)), ["a/c"]);
    assert_eq!(paths(&rootfs(&layers[..2])), ["a"]);
    let layers = [vec![file("x", "1")], vec![Item::Opaque(String::new()), file("y", "2")]];
    assert_eq!(paths(&rootfs(&layers)), ["y"]);
}

#[test]
fn the_last_of_two_entries_counts() {
    let layers = [vec![file("a", "first"), file("b", "x"), file("a", "second")]];
    assert_eq!(seen(&rootfs(&layers))["a"].1, b"second");
}

#[test]
fn hard_links_outlive_their_files() {
    let lower = vec![
        file("bin/busybox", "program"),
        Item::Hardlink("bin/ls".into(), "bin/busybox".into()),
        Item::Hardlink("bin/cat".into(), "./bin/ls".into()),
    ];
    let all = seen(&rootfs(std::slice::from_ref(&lower)));
    assert_eq!(all["bin/busybox"].1, b"program");
    assert_eq!(all["bin/ls"].0, EntryKind::Hardlink("bin/busybox".into()));
    assert_eq!(all["bin/cat"].0, EntryKind::Hardlink("bin/ls".into()));
    let all = seen(&rootfs(&[lower, vec![Item::Whiteout("bin/busybox".into())]]));
    assert_eq!(all["bin/ls"], (EntryKind::File, b"program".to_vec(), 0));
    assert_eq!(all["bin/cat"].0, EntryKind::Hardlink("bin/ls".into()));
    assert_eq!(all.len(), 2);
}

#[test]
fn links_and_long_names_are_read() {
    let long = format!("{}/file", ["directory-with-a-long-name"; 8].join("/"));
    let target = "t".repeat(180);
    let layers = [vec![file(&long, "x"), Item::Symlink("link".into(), target.clone())]];
    let all = seen(&rootfs(&layers));
    assert_eq!(all[&long].1, b"x");
    assert_eq!(all["link"].0, EntryKind::Symlink(target));
}

fn raw(path: &[u8], link: Option<&[u8]>, kind: EntryType, content: &[u8]) -> Vec<u8> {
    let mut header = Header::new_ustar();
    header.as_mut_bytes()[..path.len()].copy_from_slice(path);
    if let Some(link) = link {
        header.as_mut_bytes()[157..157 + link.len()].copy_from_slice(link);
    }
    header.set_mode(0o644);
    header.set_entry_type(kind);
    header.set_size(content.len() as u64);
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn visit(bytes: Vec<u8>, limits: Limits) -> Result<Vec<String>, RootFsError> {
    let rootfs = LayeredRootFs::new(vec![Layer::bytes(bytes, Compression::None)], limits);
    let mut paths = Vec::new();
    rootfs.visit(&mut |entry, content| {
        paths.push(entry.path.clone());
        io::copy(content, &mut io::sink()).map(|_| ())
    })?;
    Ok(paths)
}

#[test]
fn what_leaves_the_root_is_refused() {
    let limits = Limits::default();
    for bad in [&b"../etc/passwd"[..], b"a/../../b", b"./..", b"a/.wh..."] {
        let error = visit(raw(bad, None, EntryType::Regular, b""), limits).unwrap_err();
        assert!(matches!(error, RootFsError::UnsafePath { .. }), "{error}");
    }
    let error = visit(raw(b"a", Some(b"../../etc/shadow"), EntryType::Link, b""), limits).unwrap_err();
    assert!(matches!(error, RootFsError::UnsafePath { .. }), "{error}");
    assert_eq!(visit(raw(b"/etc/x", None, EntryType::Regular, b"1"), limits).unwrap(), ["etc/x"]);
    // Where a symbolic link points is the reader's business, and nothing is followed here.
    assert!(visit(raw(b"a", Some(b"../../etc"), EntryType::Symlink, b""), limits).is_ok());
}

#[test]
fn extended_headers_are_applied_and_bounded() {
    let limits = Limits::default();
    let mut bytes = raw(b"x", None, EntryType::XHeader, b"21 path=from/the/pax\n17 linkpath=y/zz\n");
    bytes.extend(raw(b"short", None, EntryType::Regular, b"1"));
    assert_eq!(visit(bytes, limits).unwrap(), ["from/the/pax"]);
    for broken in [
        &b"99 path=x\n"[..],
        b"path=x\n",
        b"3 x\n",
        b"10 path=xxx",
        b"0 a=b\n",
        b"18446744073709551615 a=b\n",
    ] {
        let mut bytes = raw(b"x", None, EntryType::XHeader, broken);
        bytes.extend(raw(b"short", None, EntryType::Regular, b"1"));
        assert!(visit(bytes, limits).is_err(), "{}", broken.escape_ascii());
    }
    let error = visit(raw(b"x", None, EntryType::XHeader, &vec![b'1'; 2 << 20]), limits).unwrap_err();
    assert!(error.to_string().contains("larger than"), "{error}");
    let error = visit(raw(b"x", None, EntryType::GNULongName, &vec![b'a'; 8 << 10]), limits).unwrap_err();
    assert!(error.to_string().contains("larger than"), "{error}");
}

#[test]
fn limits_are_kept() {
    let many: Vec<u8> =
        (0..20).flat_map(|n| raw(format!("f{n}").as_bytes(), None, EntryType::Regular, b"1")).collect();
    let error = visit(many.clone(), Limits { entries: 19, ..Limits::default() }).unwrap_err();
    assert!(matches!(error, RootFsError::Limit { what: "entries", limit: 19 }), "{error}");
    let error = visit(many.clone(), Limits { bytes: 4096, ..Limits::default() }).unwrap_err();
    assert!(matches!(error, RootFsError::Limit { what: "bytes", .. }), "{error}");
    let error = visit(many, Limits { names: 30, ..Limits::default() }).unwrap_err();
    assert!(matches!(error, RootFsError::Limit { what: "bytes of paths", .. }), "{error}");
}

#[test]
fn a_bomb_ends_at_the_limit() {
    // 64 MiB of zeros as the content of one file.
    let mut plain = raw(b"zeros", None, EntryType::Regular, b"");
    let mut header = Header::new_ustar();
    header.as_mut_bytes()[..5].copy_from_slice(b"zeros");
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o644);
    header.set_size(64 << 20);
    header.set_cksum();
    plain[..512].copy_from_slice(header.as_bytes());
    plain.resize(512 + (64 << 20), 0);
    let compressed = zstd::encode_all(plain.as_slice(), 1).unwrap();
    assert!(compressed.len() < 64 << 10);
    let layer = Layer::bytes(compressed, Compression::Zstd);
    let rootfs = LayeredRootFs::new(vec![layer], Limits { bytes: 1 << 20, ..Limits::default() });
    let error = rootfs.visit(&mut |_, _| Ok(())).unwrap_err();
    assert!(matches!(error, RootFsError::Limit { what: "bytes", .. }), "{error}");
}

#[test]
fn damaged_layers_are_refused() {
    let limits = Limits::default();
    let whole = archive(&[file("a", "0123456789"), file("b", &"x".repeat(2000))]);
    assert_eq!(visit(whole.clone(), limits).unwrap(), ["a", "b"]);
    for cut in [100, 515, 1100, 3000] {
        assert!(
            matches!(visit(whole[..cut].to_vec(), limits), Err(RootFsError::Layer { .. })),
            "cut at {cut}"
        );
    }
    let mut flipped = whole.clone();
    flipped[3] ^= 1;
    assert!(visit(flipped, limits).unwrap_err().to_string().contains("checksum"));
    assert_eq!(visit(Vec::new(), limits).unwrap(), Vec::<String>::new());
    let error = visit(b"GIF89a not a tar".repeat(100), limits).unwrap_err();
    assert!(error.to_string().contains("no tar archive"), "{error}");
    let gzip = Layer::bytes(whole, Compression::Gzip);
    assert!(LayeredRootFs::new(vec![gzip], limits).visit(&mut |_, _| Ok(())).is_err());
}

#[test]
fn compressions_are_undone_and_diff_ids_computed() {
    let plain = archive(&[file("a", "hello"), file("b", &"y".repeat(100_000))]);
    let (one, two) = plain.split_at(700);
    let mut gzip = Vec::new();
    for part in [one, two] {
        // Two members behind one another, as parallel compressors write them.
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(part).unwrap();
        gzip.extend(encoder.finish().unwrap());
    }
    let mut zstd = zstd::encode_all(one, 3).unwrap();
    zstd.extend(zstd::encode_all(two, 3).unwrap());
    for (bytes, compression) in
        [(plain.clone(), Compression::None), (gzip, Compression::Gzip), (zstd, Compression::Zstd)]
    {
        let layer = Layer::bytes(bytes, compression);
        assert_eq!(layer.diff_id(1 << 30).unwrap(), Digest::of(&plain), "{compression:?}");
        assert!(layer.diff_id(1000).is_err());
        let all = seen(&LayeredRootFs::new(vec![layer], Limits::default()));
        assert_eq!(all["a"].1, b"hello", "{compression:?}");
        assert_eq!(all["b"].1.len(), 100_000);
    }
}

#[test]
fn a_visitor_need_not_read_and_its_error_comes_out() {
    let rootfs = rootfs(&[vec![file("a", "0123"), file("b", "4567")]]);
    let mut first = Vec::new();
    rootfs
        .visit(&mut |_, content| {
            let mut byte = [0];
            content.read_exact(&mut byte)?;
            first.push(byte[0]);
            Ok(())
        })
        .unwrap();
    assert_eq!(first, b"04");
    let error = rootfs.visit(&mut |_, _| Err(io::Error::other("enough"))).unwrap_err();
    assert!(error.to_string().contains("enough"), "{error}");
}

/// The model: layers unpacked one over the other into a map, as a file system would have it.
fn model(layers: &[Vec<Item>]) -> Seen {
    let mut all = Seen::new();
    for (layer, items) in layers.iter().enumerate() {
        let below = |all: &Seen, path: &str| -> Vec<String> {
            all.keys().filter(|p| path.is_empty() || p.starts_with(&format!("{path}/"))).cloned().collect()
        };
        for item in items {
            let (path, itself) = match item {
                Item::Whiteout(path) => (path, true),
                Item::Opaque(path) => (path, false),
                _ => continue,
            };
            for gone in below(&all, path) {
                all.remove(&gone);
            }
            if itself {
                all.remove(path);
            }
        }
        for item in items {
            let (path, kind, content) = match item {
                Item::File(path, content) => (path, EntryKind::File, content.clone()),
                Item::Directory(path) => (path, EntryKind::Directory, Vec::new()),
                _ => continue,
            };
            let mut parent = path.as_str();
            while let Some((above, _)) = parent.rsplit_once('/') {
                if all.get(above).is_some_and(|(kind, _, _)| *kind == EntryKind::File) {
                    all.remove(above);
                }
                parent = above;
            }
            if kind == EntryKind::File {
                for gone in below(&all, path) {
                    all.remove(&gone);
                }
            }
            all.insert(path.clone(), (kind, content, layer));
        }
    }
    all
}

fn a_path() -> impl Strategy<Value = String> {
    proptest::collection::vec(prop_oneof![Just("a"), Just("b"), Just("c")], 1..4)
        .prop_map(|parts| parts.join("/"))
}

fn a_layer() -> impl Strategy<Value = Vec<Item>> {
    let item = prop_oneof![
        4 => (a_path(), "[xyz]{0,3}").prop_map(|(path, content)| Item::File(path, content.into_bytes())),
        3 => a_path().prop_map(Item::Directory),
        2 => a_path().prop_map(Item::Whiteout),
        1 => a_path().prop_map(Item::Opaque),
    ];
    proptest::collection::vec(item, 0..8).prop_map(|items| {
        // A layer that has something in what it also calls a file cannot be unpacked by anyone.
        let files: Vec<String> = items
            .iter()
            .filter_map(|i| if let Item::File(p, _) = i { Some(p.clone()) } else { None })
            .collect();
        let within = |path: &str| files.iter().any(|f| path.starts_with(&format!("{f}/")));
        let both = |path: &str| files.iter().any(|f| f == path);
        items
            .into_iter()
            .filter(|item| match item {
                Item::File(path, _) | Item::Opaque(path) => !within(path),
                Item::Directory(path) => !within(path) && !both(path),
                _ => true,
            })
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn what_is_seen_is_what_unpacking_gives(layers in proptest::collection::vec(a_layer(), 1..5)) {
        prop_assert_eq!(seen(&rootfs(&layers)), model(&layers));
    }

    #[test]
    fn no_bytes_break_it(mut bytes in proptest::collection::vec(any::<u8>(), 0..3000), at in 0usize..2000, value: u8) {
        let _ = visit(bytes.clone(), Limits::default());
        let mut real = archive(&[file("a/b", "content"), Item::Directory("c".into()), Item::Whiteout("d".into())]);
        let at = at % real.len();
        real[at] = value;
        real.truncate(real.len() - bytes.len() % 1024);
        let _ = visit(real, Limits { bytes: 1 << 20, ..Limits::default() });
        bytes.clear();
    }
}
