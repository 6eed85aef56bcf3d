//! The codes of findings about the configuration. All have the verdict `fail` and exit code 2.

use crate::code::Code;

macro_rules! codes {
    ($($(#[$doc:meta])* $ident:ident = $name:literal, $summary:literal, $explanation:literal;)*) => {
        $(
            $(#[$doc])*
            #[doc = $summary]
            pub static $ident: Code = Code::new($name, $summary, $explanation);
        )*

        /// All codes of this room.
        pub static CODES: &[&Code] = &[$(&$ident),*];
    };
}

codes! {
    NOT_FOUND = "config-not-found",
        "there is no configuration file at the given path",
        "loadline reads `loadline.toml` in the directory it is started in, or the file that `--config` names. Start it in the repository's root, name the file, or write a first one with `loadline init`.";
    UNREADABLE = "config-unreadable",
        "the configuration file cannot be read",
        "The file is there, but reading it failed, it is larger than 1 MiB, or it is not UTF-8. A configuration of that size is a mistake: check that `--config` names the right file.";
    SYNTAX = "config-syntax",
        "the configuration is not valid TOML",
        "Nothing else can be examined before the document parses. The span shows where the parser stopped understanding; a missing quote or bracket shows itself one line later.";
    UNKNOWN_KEY = "config-unknown-key",
        "the configuration has a key that means nothing here",
        "Unknown keys are refused, because a misspelt key is a rule that silently does not hold. The nearest known key is suggested; all keys are in the reference of `loadline.toml` and in its JSON Schema.";
    WRONG_TYPE = "config-wrong-type",
        "a value has another type than its key wants",
        "TOML distinguishes strings, numbers, booleans, lists and tables, and nothing is converted silently: a port or a version among build arguments is a string and wants quotes.";
    MISSING_KEY = "config-missing-key",
        "a key that must be there is absent",
        "The key has no default, because guessing it could release the wrong thing. Add it to the table that the span shows.";
    UNKNOWN_VALUE = "config-unknown-value",
        "a value is not among those that its key knows",
        "The key takes one of a few words. The nearest is suggested, or all are listed.";
    EMPTY = "config-empty",
        "a list or name that must not be empty is empty",
        "A release without images, an image without platforms and a verification without predicates would all pass by doing nothing. Name at least one.";
    MISSING_FILE = "config-missing-file",
        "a file that the configuration names does not exist",
        "Paths are relative to the directory of the configuration file. A Dockerfile, a file of a shared region, a build context or an ignore file that is not there is reported before anything is built.";
    BAD_PIN = "config-bad-pin",
        "a pin does not say where its value stands",
        "A `[[pin]]` is a value that must be equal in several files. Each of its places names a file and how the value is found there, by `key` or by `pattern`; there must be two of them, or one and the `value` itself.";
    BAD_PATH = "config-bad-path",
        "a path is absolute or not in normal form",
        "Paths are relative to the directory of the configuration file, written with `/`, so that the configuration means the same on every machine.";
    REGION_FILES = "config-region-files",
        "a shared region names fewer than two different files",
        "A region is compared across files; with one file there is nothing to compare it with, and the rule would pass whatever the file says. Name a second file or remove the region.";
    REGION_MARKERS = "config-region-markers",
        "the markers of a shared region cannot mark it",
        "A marker is a whole, non-empty line, and the two differ: equal markers cannot tell the beginning from the end, and two regions with the same markers in one file cannot be told apart.";
    REGION_DUPLICATE = "config-region-duplicate",
        "two shared regions have the same name",
        "The name is how messages, `--fix` and the ledger speak of a region. Give each its own.";
    IMAGE_NAME = "config-image-name",
        "an image's name cannot stand in tags and file names",
        "The name becomes part of tags, of file names and of legs (`daemon:linux/arm64`): lower-case letters and digits, with single `-` or `_` between them.";
    BAD_PLATFORM = "config-bad-platform",
        "a platform is not written as os/arch or os/arch/variant",
        "Platforms are written as docker and OCI write them: `linux/amd64`, `linux/arm64`, `linux/arm/v7`.";
    PLATFORM_DUPLICATE = "config-platform-duplicate",
        "a platform is listed twice",
        "`linux/arm64` and `linux/arm64/v8` are one platform under two names. An index with two entries for one platform gives a client either of them: list it once.";
    BAD_REPOSITORY = "config-bad-repository",
        "a repository is not a valid image repository",
        "A repository is a registry's host and a lower-case path, without tag, digest or scheme: `ghcr.io/owner/name`.";
    BAD_SOURCE = "config-bad-source",
        "a source repository is not written as host/owner/name",
        "`source` and `signer-repository` name the repository whose workflows sign, without a scheme and without `.git`: `github.com/owner/name`. The certificate's claims are compared with it.";
    BAD_WORKFLOW = "config-bad-workflow",
        "a workflow is not a path to a workflow file",
        "A workflow is named by its path in its repository, as the certificate's subject has it: `.github/workflows/release.yml`, without a ref.";
    BAD_ISSUER = "config-bad-issuer",
        "an issuer is not an https address",
        "The issuer is compared, character by character, with what the certificate says: `https://token.actions.githubusercontent.com` for GitHub Actions. http is taken on loopback only, for a Sigstore on this machine.";
    BAD_IDENTITY = "config-bad-identity",
        "an identity under `[verify]` does not name exactly one who signs",
        "A `[[verify.identity]]` names a certificate's `subject` with the `issuer` that vouches for it, a `signer-workflow`, or a `signer-repository` of which any workflow may sign; `versions` is a range such as `>=2, <3`. A subject without an issuer could be handed out by anybody.";
    BAD_AGE = "config-bad-age",
        "a maximum age cannot be read",
        "A maximum age is a whole number and one of m, h, d and w: `12h`, `30d`, as in a policy file.";
    BAD_TIME_LIMIT = "config-bad-time-limit",
        "a time limit cannot be read",
        "A time limit is a number with its unit, above zero: `90s`, `45m`, `1h 30m`.";
    UNKNOWN_VARIABLE = "config-unknown-variable",
        "a template names a variable that does not exist",
        "Templates know version, major, minor, patch, channel, image, commit, commit.short, branch and repository.hash; `{platform}` in `gate.report` alone. A brace that is meant as one is doubled: `{{`, `}}`.";
    VARIABLE_HERE = "config-variable-here",
        "a template names a variable that has no value in this place",
        "`{platform}` has a value only where one platform is meant (`gate.report`): a tag names the index of all platforms. Where versions are commits there is no major, minor, patch or channel.";
    BAD_TEMPLATE = "config-bad-template",
        "a template's braces do not match",
        "A variable is a name between braces: `{version}`. A brace that is meant as one is doubled: `{{`, `}}`.";
    BAD_TAG = "config-bad-tag",
        "a tag template cannot become a valid tag",
        "Tags have at most 128 letters, digits, `_`, `.` and `-`, and begin with a letter, a digit or `_` (OCI distribution specification).";
    TAG_FIXED = "config-tag-fixed",
        "a version tag does not hold the version",
        "What is listed under `tags` never moves: a tag without `{version}`, `{commit}` or `{commit.short}` could be given to the first release only. Put the version in, or list the tag under `moving-tags`.";
    TAG_CONFLICT = "config-tag-conflict",
        "two images, or two lists of one image, claim the same tag in one repository",
        "One tag names one digest. When two images expand to the same tag in the same repository, one would overwrite the other in the middle of a release. Put `{image}` into one of the templates, or give the image a repository of its own.";
    MOVING_TAG_NEVER_MOVES = "config-moving-tag-never-moves",
        "a moving tag holds the whole version",
        "A tag with `{version}`, `{commit}` or `{commit.short}` in it is a new one in every release: it has nothing to move. List it under `tags`, where it is protected from moving.";
    MOVING_TAGS_OF_COMMITS = "config-moving-tags-of-commits",
        "moving tags are configured, but versions are commits",
        "A moving tag follows the newest version, and commits have no order that a registry could show. Remove `moving-tags`, or release by version tags.";
    BAD_BUILD_ARG = "config-bad-build-arg",
        "a build argument's name cannot be declared in a Dockerfile",
        "ARG takes a name of letters, digits and `_` that does not begin with a digit; any other would be given to the builder and never used.";
    BAD_SECRET = "config-bad-secret",
        "a secret of a build is not in exactly one place",
        "A secret has an `id`, by which `RUN --mount=type=secret,id=…` asks for it, and is in the variable `env` or in the file `file`. The configuration names the place, never the value.";
    BAD_CONTEXT = "config-bad-context",
        "a named context is none that a builder knows",
        "A named context is a directory, an image at a registry (`docker-image://REFERENCE`) or an image in an OCI layout (`oci-layout://DIRECTORY`, with `:TAG` or `@DIGEST` behind it).";
    OTHER_BUILDER = "config-other-builder",
        "a key is for another builder than the image's",
        "`builder-instance`, `secrets`, `cache-from`, `cache-to`, `provenance`, `network`, `ssh`, `sbom` and `rewrite-timestamp` are for `buildx`, `layout` and `existing` for the builders of those names. `assemble` runs nothing, so that there is no instance, no secret and no cache; a key that says nothing would be a rule that silently does not hold.";
    BAD_LAYOUT = "config-bad-layout",
        "an image of the builder `layout` does not say how its layout comes about",
        "`[image.NAME.layout]` has a `preset` (ko, buildah, podman, devcontainer), or a `command`, or only the `path` of a layout that is there already. buildah and podman build the image's `dockerfile`, ko a `package`; a command says by `path`, or by `{output}` among its arguments, where the layout is.";
    BAD_EXISTING = "config-bad-existing",
        "an image of the builder `existing` is not named by digest",
        "`existing` is a reference with a digest, `ghcr.io/owner/name@sha256:…`, of an index or of an image; or a table of platforms with one for each. A tag can move between two readings, so it is not taken.";
    BAD_RUNNER = "config-bad-runner",
        "a runner is named for no platform, or is none",
        "`[runners]` says on which machines legs are built: `\"linux/arm64\" = \"ubuntu-24.04-arm\"`, or a list of labels. `release --plan --format github-matrix` writes them into the matrix.";
    REPORT_CONFLICT = "config-report-conflict",
        "one scan report is expected for several images or platforms",
        "A report speaks of one image on one platform, and is refused for any other. Put `{image}` and `{platform}` into `gate.report`.";
    UNKNOWN_PREDICATE = "config-unknown-predicate",
        "a demanded predicate is not known",
        "A predicate is named by its short name (slsa-provenance, cyclonedx, vsa, spdx, vuln, openvex) or by its type, which is a URI.";
    TOO_MANY = "config-too-many-problems",
        "the configuration has more problems than are shown",
        "Two hundred problems are shown, then reading goes on silently. Mend the first ones: the rest are often their echoes.";
}
