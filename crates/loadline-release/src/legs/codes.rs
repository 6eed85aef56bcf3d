//! What can be wrong with legs and their records.

use loadline_core::Code;

/// A leg has no record.
pub static LEG_MISSING: Code = Code::new(
    "leg-missing",
    "a leg of the set has no record",
    "`--legs DIR` joins what other machines built, and every platform of every image must be among it: a set that is \
     not whole is not released. Build the leg, or see why its record was not carried over.",
);

/// A leg has two records.
pub static LEG_TWICE: Code = Code::new(
    "leg-twice",
    "a leg has two records that differ",
    "Two builds of one leg were carried over, and nothing tells which one counts. Keep one record.",
);

/// A record is of a leg that is not planned.
pub static LEG_UNEXPECTED: Code = Code::new(
    "leg-unexpected",
    "a record is of a leg that is not in the plan",
    "The configuration here has no such image, or not for this platform. The machines were not given the same \
     configuration, or the folder holds what another release left.",
);

/// A record is of another commit or configuration.
pub static LEG_FOREIGN: Code = Code::new(
    "leg-foreign",
    "a leg was built from another commit or configuration",
    "All legs of a set are built from one commit, version and configuration: that of the machine that joins them. The \
     message says what differs. Check out the same commit on every machine, with the same tags.",
);

/// A leg is not at the registry.
pub static LEG_GONE: Code = Code::new(
    "leg-gone",
    "a leg that was recorded is not at the registry",
    "Nothing has the recorded digest in the image's repository: it was pushed elsewhere, or removed since. Nothing was \
     written. Build the leg again.",
);

/// A record says what the registry does not.
pub static LEG_CONTRADICTED: Code = Code::new(
    "leg-contradicted",
    "a record says something else of a leg than the registry does",
    "A record travels as a file from machine to machine, so nothing in it is believed before the registry says the \
     same: the manifest's size and type, its configuration, layers and platform, its attestations. Something \
     changed the record on its way.",
);

/// A record cannot be read.
pub static LEG_UNREADABLE: Code = Code::new(
    "leg-unreadable",
    "records of legs cannot be read",
    "The folder or a file in it cannot be read, or a record is of another version of loadline than this. Use the same \
     version on every machine.",
);

/// A bound report is another one.
pub static LEG_REPORT: Code = Code::new(
    "leg-report",
    "a scan report is not the one that a record binds",
    "A leg that was scanned on its own machine has the report's digest in its record, and the digest that was scanned. \
     The report beside the record is another file, or is gone, or was bound to another build.",
);

/// A base image could not be resolved.
pub static BASE_UNRESOLVED: Code = Code::new(
    "base-unresolved",
    "the digest of a base image could not be looked up for its annotation",
    "`org.opencontainers.image.base.name` and `.base.digest` say what an image is built on. The base's tag could not be \
     resolved from here, so both are left out; the build itself is not touched by that, and its provenance names the \
     base.",
);
