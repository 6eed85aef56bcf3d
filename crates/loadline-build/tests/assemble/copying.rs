//! COPY and ADD: what arrives, where, and with which mode and owner.

use std::fs;
use std::io::Write;

use crate::kitchen::Kitchen;

fn names(dockerfile: &str) -> Vec<String> {
    let kitchen = Kitchen::new(&format!("FROM scratch\n{dockerfile}"))
        .file("a.txt", "a")
        .file("b.txt", "b")
        .file("dir/one", "1")
        .file("dir/sub/two", "2")
        .file("dir/sub/three.log", "3")
        .link("dir/link", "sub/two")
        .link("todir", "dir");
    let image = kitchen.build().unwrap();
    image.last().into_iter().map(str::to_owned).collect()
}

#[test]
fn destinations() {
    assert_eq!(names("COPY a.txt /x"), ["x"]);
    assert_eq!(names("COPY a.txt /x/"), ["x/", "x/a.txt"]);
    assert_eq!(names("COPY a.txt /x/."), ["x/", "x/a.txt"]);
    assert_eq!(names("COPY a.txt ."), ["a.txt"]);
    assert_eq!(names("WORKDIR /w\nCOPY a.txt y/z"), ["w/", "w/y/", "w/y/z"]);
    assert_eq!(names("WORKDIR /w\nCOPY a.txt ./"), ["w/", "w/a.txt"]);
    assert_eq!(names("WORKDIR /w\nCOPY a.txt /"), ["a.txt"]);
    // `/w` is a directory already.
    assert_eq!(names("WORKDIR /w\nCOPY a.txt /w"), ["w/", "w/a.txt"]);
    assert_eq!(names("COPY [\"a.txt\", \"b.txt\", \"/x y/\"]"), ["x y/", "x y/a.txt", "x y/b.txt"]);
}

#[test]
fn a_directorys_content_is_copied() {
    let content = ["x/", "x/link", "x/one", "x/sub/", "x/sub/three.log", "x/sub/two"];
    assert_eq!(names("COPY dir /x"), content);
    assert_eq!(names("COPY dir /x/"), content);
    assert_eq!(names("COPY dir/ /x"), content);
    assert_eq!(names("COPY dir/. /x"), content);
    assert_eq!(names("COPY todir /x"), content);
    assert_eq!(names("COPY todir/sub /x"), ["x/", "x/three.log", "x/two"]);
    // Of a link that is named, the file; of one that is met, the link.
    assert_eq!(names("COPY dir/link /x"), ["x"]);
}

#[test]
fn wildcards() {
    assert_eq!(names("COPY *.txt /x/"), ["x/", "x/a.txt", "x/b.txt"]);
    assert_eq!(names("COPY dir/* /x/"), ["x/", "x/link", "x/one", "x/three.log", "x/two"]);
    assert_eq!(names("COPY d[ij]r/s?b/t* /x/"), ["x/", "x/three.log", "x/two"]);
    assert_eq!(names("COPY */one /x/"), ["x/", "x/one"]);
    // What matches nothing copies nothing, as with BuildKit.
    assert_eq!(names("COPY a.txt nothing* /x/"), ["x/", "x/a.txt"]);
    assert_eq!(names("ARG EXT=txt\nCOPY a.$EXT /x"), ["x"]);
}

#[test]
fn exclude_and_parents() {
    assert_eq!(
        names("COPY --exclude=**/*.log --exclude=link dir /x"),
        ["x/", "x/one", "x/sub/", "x/sub/two"]
    );
    assert_eq!(
        names("COPY --exclude=sub --exclude=!sub/two dir /x"),
        ["x/", "x/link", "x/one", "x/sub/", "x/sub/two"]
    );
    assert_eq!(names("COPY --exclude=a* *.txt /x/"), ["x/", "x/b.txt"]);
    assert_eq!(
        names("COPY --parents dir/sub/two a.txt /x/"),
        ["x/", "x/a.txt", "x/dir/", "x/dir/sub/", "x/dir/sub/two"]
    );
    assert_eq!(names("COPY --parents dir/./sub/two /x/"), ["x/", "x/sub/", "x/sub/two"]);
    assert_eq!(names("COPY --parents **/*.log /x/"), ["x/", "x/dir/", "x/dir/sub/", "x/dir/sub/three.log"]);
    assert_eq!(
        names("COPY --parents dir/sub /x/"),
        ["x/", "x/dir/", "x/dir/sub/", "x/dir/sub/three.log", "x/dir/sub/two"]
    );
}

#[test]
fn modes_and_owners() {
    let kitchen = Kitchen::new(
        "FROM scratch\n\
         COPY passwd /etc/passwd\n\
         COPY group /etc/group\n\
         COPY tree /plain\n\
         COPY --chown=app:staff --chmod=4750 tree /named\n\
         COPY --chown=12:34 run /new/dir/run\n\
         USER app\n\
         WORKDIR /home/app\n\
         COPY run .\n",
    )
    .file("passwd", "root:x:0:0::/:\napp:x:1000:1001::/:\n")
    .file("group", "staff:x:50:\n")
    .file("tree/sub/file", "x")
    .executable("tree/run", "x")
    .link("tree/link", "run")
    .executable("run", "r");
    let image = kitchen.build().unwrap();
    let seen = |path: &str| {
        let seen = image.at(path);
        (seen.mode, seen.owner)
    };
    assert_eq!(seen("plain/sub/"), (0o755, (0, 0)));
    assert_eq!(seen("plain/sub/file"), (0o644, (0, 0)));
    assert_eq!(seen("plain/run"), (0o755, (0, 0)));
    assert_eq!(seen("plain/link"), (0o777, (0, 0)));
    // The directory that is made for the content has no part in --chmod; what is copied into it has.
    assert_eq!(seen("named/"), (0o755, (1000, 50)));
    assert_eq!(seen("named/sub/"), (0o4750, (1000, 50)));
    assert_eq!(seen("named/sub/file"), (0o4750, (1000, 50)));
    assert_eq!(seen("named/link"), (0o777, (1000, 50)));
    assert_eq!(seen("new/dir/"), (0o755, (12, 34)));
    assert_eq!(seen("home/app/"), (0o755, (1000, 1001)));
    assert_eq!(seen("home/app/run"), (0o755, (0, 0)));
    assert_eq!(image.history()[3].0, "COPY --chown=app:staff --chmod=4750 tree /named # buildkit");
}

#[test]
fn stages_keep_what_they_made() {
    let kitchen = Kitchen::new(
        "FROM scratch AS one\n\
         COPY --chown=5:6 --chmod=0600 file /deep/file\n\
         COPY links /links\n\
         FROM scratch AS two\n\
         COPY --from=one /deep/file /from-name\n\
         COPY --from=0 /deep /from-number\n\
         COPY --from=ONE /links/up /followed\n\
         COPY --from=one --chown=7 /links /kept\n",
    )
    .file("file", "content")
    .file("links/target", "pointed at")
    .link("links/up", "/links/target");
    let image = kitchen.build().unwrap();
    assert_eq!((image.at("from-name").mode, image.at("from-name").owner), (0o600, (5, 6)));
    assert_eq!(image.text("from-number/file"), "content");
    assert_eq!(image.text("followed"), "pointed at");
    assert_eq!((image.at("kept/up").kind, image.text("kept/up").as_str()), ('l', "/links/target"));
    assert_eq!(image.at("kept/up").owner, (7, 7));
    assert_eq!(image.layers.len(), 4);
}

#[test]
fn links_in_the_destination_are_followed_but_not_by_link() {
    let kitchen = Kitchen::new(
        "FROM scratch\n\
         COPY base /\n\
         COPY file /bin/one\n\
         COPY --link file /bin/two\n",
    )
    .file("base/usr/bin/sh", "sh")
    .link("base/bin", "usr/bin")
    .file("file", "f");
    let image = kitchen.build().unwrap();
    assert_eq!(image.names(1), ["usr/", "usr/bin/", "usr/bin/one"]);
    assert_eq!(image.names(2), ["bin/", "bin/two"]);
}

#[test]
fn a_linked_layer_is_the_same_on_any_base() {
    let on = |base: &str| {
        let kitchen =
            Kitchen::new(&format!("FROM scratch\n{base}COPY --link file /opt/x/\n")).file("file", "f");
        kitchen.build().unwrap().built.layers.last().unwrap().digest.clone()
    };
    assert_eq!(on(""), on("COPY --chown=9 file /opt/other\n"));
}

#[test]
fn heredocs() {
    let image = Kitchen::new(
        "FROM scratch\n\
         ENV NAME=world\n\
         COPY <<EOF /greeting\nhello $NAME\nEOF\n\
         COPY --chmod=755 <<-'a' <<b /dir/\n\t$NAME\na\nsecond\nb\n",
    )
    .build()
    .unwrap();
    assert_eq!(image.text("greeting"), "hello world\n");
    assert_eq!(image.at("greeting").mode, 0o644);
    assert_eq!((image.text("dir/a").as_str(), image.at("dir/a").mode), ("$NAME\n", 0o755));
    assert_eq!(image.text("dir/b"), "second\n");
    assert_eq!(image.history()[1].0, "COPY <<EOF /greeting # buildkit");
}

fn archive(compress: impl Fn(Vec<u8>) -> Vec<u8>) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o640);
    header.set_uid(3);
    header.set_gid(4);
    header.set_size(5);
    builder.append_data(&mut header, "in/side", &b"hello"[..]).unwrap();
    header.set_entry_type(tar::EntryType::Link);
    header.set_size(0);
    builder.append_link(&mut header, "in/again", "in/side").unwrap();
    compress(builder.into_inner().unwrap())
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn add_unpacks_local_archives() {
    let zstd = |bytes: Vec<u8>| zstd::encode_all(&bytes[..], 1).unwrap();
    for bytes in [archive(|plain| plain), archive(|plain| gzip(&plain)), archive(zstd)] {
        let packed = gzip(b"no archive, just text that is compressed");
        let kitchen = Kitchen::new(
            "FROM scratch\nADD what.ever /out\nADD --unpack=false what.ever /packed\nADD plain.gz /plain/\n\
             COPY what.ever /copied\n",
        );
        fs::write(kitchen.context().join("what.ever"), &bytes).unwrap();
        fs::write(kitchen.context().join("plain.gz"), &packed).unwrap();
        let image = kitchen.build().unwrap();
        assert_eq!(image.text("out/in/side"), "hello");
        assert_eq!(image.text("packed"), String::from_utf8_lossy(&bytes));
        assert_eq!(image.text("copied"), String::from_utf8_lossy(&bytes));
        assert_eq!(image.text("plain/plain.gz"), String::from_utf8_lossy(&packed));
    }
    for (magic, form) in [(&b"BZh91AY&SY"[..], "bzip2"), (b"\xfd7zXZ\0\0", "xz")] {
        let kitchen = Kitchen::new("FROM scratch\nADD a.tar /out\n");
        fs::write(kitchen.context().join("a.tar"), magic).unwrap();
        let message = kitchen.refused();
        assert!(
            message.contains(&format!("`a.tar` looks like an archive compressed with {form}")),
            "{message}"
        );
        kitchen.file("Dockerfile", "FROM scratch\nCOPY a.tar /out\n").build().unwrap();
    }
}

#[test]
fn an_unpacked_archive_keeps_its_modes_and_owners() {
    let kitchen = Kitchen::new("FROM scratch\nADD a.tgz /out\nADD --chown=8:9 a.tgz /owned/\n");
    fs::write(kitchen.context().join("a.tgz"), archive(|plain| gzip(&plain))).unwrap();
    let image = kitchen.build().unwrap();
    assert_eq!(image.names(0), ["out/", "out/in/", "out/in/again", "out/in/side"]);
    assert_eq!((image.at("out/in/side").mode, image.at("out/in/side").owner), (0o640, (3, 4)));
    assert_eq!(image.text("out/in/again"), "hello");
    assert_eq!(image.at("owned/in/side").owner, (8, 9));
}

#[test]
fn what_is_in_the_way_is_said() {
    let kitchen = |dockerfile: &str| {
        Kitchen::new(&format!("FROM scratch\n{dockerfile}"))
            .file("file", "f")
            .file("dir/file/deeper", "d")
            .file("flat/file", "x")
    };
    assert_eq!(
        kitchen("COPY file /x\nCOPY file /x/y").refused(),
        "Dockerfile:3: `/x` is a file already, and a directory cannot take its place"
    );
    assert_eq!(
        kitchen("COPY flat /x\nCOPY dir /x").refused(),
        "Dockerfile:3: `/x/file` is a file already, and a directory cannot take its place"
    );
    assert_eq!(
        kitchen("COPY dir /x\nCOPY flat /x").refused(),
        "Dockerfile:3: `/x/file` is a directory already, and a file cannot take its place"
    );
    assert_eq!(
        kitchen("COPY file flat/file /x").refused(),
        "Dockerfile:2: 2 sources need a directory: end the destination `/x` with a `/`"
    );
    assert_eq!(
        kitchen("COPY f* /x").refused(),
        "Dockerfile:2: 2 sources need a directory: end the destination `/x` with a `/`"
    );
}

#[test]
fn what_is_not_there_is_said_with_its_reason() {
    let kitchen = |dockerfile: &str| {
        Kitchen::new(&format!("FROM scratch AS base\nFROM scratch\n{dockerfile}"))
            .file(".dockerignore", "secret\n")
            .file("secret/key", "k")
            .file("Readme", "r")
            .link("outside", "../../etc")
            .link("loop", "loop")
    };
    assert_eq!(kitchen("COPY gone /x").refused(), "Dockerfile:3: `gone` is not in the build context");
    assert_eq!(
        kitchen("COPY secret/key /x").refused(),
        "Dockerfile:3: `secret/key` is not in the build context: the ignore file excludes `secret`"
    );
    assert_eq!(
        kitchen("COPY README /x").refused(),
        "Dockerfile:3: `README` is not in the build context: `Readme` is"
    );
    assert_eq!(
        kitchen("COPY --from=base /gone /x").refused(),
        "Dockerfile:3: `/gone` is not in stage `base`"
    );
    assert!(kitchen("COPY ../x /x").refused().starts_with("Dockerfile:3: `../x` leaves the build context: "));
    assert!(
        kitchen("COPY outside/passwd /x").refused().starts_with(
            "Dockerfile:3: `outside/passwd` leaves the build context through the link `outside`: "
        )
    );
    assert_eq!(kitchen("COPY loop /x").refused(), "Dockerfile:3: `loop` has too many symbolic links in it");
    assert!(
        kitchen("COPY --chown=app Readme /x")
            .refused()
            .contains("user `app` is not in the image's /etc/passwd")
    );
    assert!(kitchen("COPY --chmod=u+x Readme /x").refused().contains("`--chmod=u+x` is not understood"));
}

#[test]
fn a_link_that_leaves_the_context_is_kept_as_a_link() {
    let kitchen = Kitchen::new("FROM scratch\nCOPY dir /x\n").link("dir/outside", "../../../etc/passwd");
    let image = kitchen.build().unwrap();
    assert_eq!((image.at("x/outside").kind, image.text("x/outside").as_str()), ('l', "../../../etc/passwd"));
}

#[test]
fn sockets_are_refused_where_they_are_copied_only() {
    let kitchen = Kitchen::new("FROM scratch\nCOPY dir/file /x\n").file("dir/file", "f");
    let _listener = std::os::unix::net::UnixListener::bind(kitchen.context().join("dir/socket")).unwrap();
    kitchen.build().unwrap();
    let kitchen = kitchen.file("Dockerfile", "FROM scratch\nCOPY dir /x\n");
    assert_eq!(
        kitchen.refused(),
        "Dockerfile:2: `dir/socket` is a socket, which cannot be copied: add it to the ignore file"
    );
}
