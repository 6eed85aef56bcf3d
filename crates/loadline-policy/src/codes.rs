//! The codes of this room.

use loadline_core::Code;

/// The signer is not one the policy names.
pub static IDENTITY_MISMATCH: Code = Code::new(
    "identity-mismatch",
    "the signer is not one the policy names",
    "The bundle is genuine, and somebody else signed it. Anybody can sign anything with Sigstore; who signed is the whole question. If the signer is the right one, mend the policy's identity; if not, do not use the artifact.",
);
/// Another workflow signed than the policy names.
pub static SIGNER_WORKFLOW_MISMATCH: Code = Code::new(
    "signer-workflow-mismatch",
    "another workflow signed than the policy names",
    "The certificate's subject is the workflow that held the key. It is not the one demanded, by repository, file or ref. A reusable workflow of another repository is named in full, github.com/OWNER/REPO/.github/workflows/FILE.",
);
/// The signer's name is right, and another issuer vouches for it.
pub static ISSUER_MISMATCH: Code = Code::new(
    "issuer-mismatch",
    "the signer's name is right, and another issuer vouches for it",
    "Names are only as good as who hands them out: the same mail address or URI from another identity provider is another person. Mend the policy's issuer if the provider changed.",
);
/// It was signed with another key than the policy names.
pub static KEY_MISMATCH: Code = Code::new(
    "key-mismatch",
    "it was signed with another key than the policy names",
    "The bundle is signed with a long-lived key that the policy does not list, or with a key where a certificate is demanded.",
);
/// The evidence speaks of another digest.
pub static SUBJECT_NOT_NAMED: Code = Code::new(
    "subject-not-named",
    "the evidence speaks of another digest",
    "The statement is genuine and about other artifacts. Evidence that was copied from another image looks like this.",
);
/// Built from another repository.
pub static SOURCE_REPOSITORY_MISMATCH: Code = Code::new(
    "source-repository-mismatch",
    "built from another repository",
    "The certificate names the repository whose workflow ran. It is not the demanded one: a fork, a copy, or a rename. For renames, demand the repository's numeric id.",
);
/// Another workflow was started.
pub static WORKFLOW_MISMATCH: Code = Code::new(
    "workflow-mismatch",
    "another workflow was started",
    "The certificate names the top workflow of the run; it is not the one demanded. The signer may be right all the same, when a reusable workflow was called by somebody unexpected.",
);
/// Built for another git ref.
pub static REF_MISMATCH: Code = Code::new(
    "ref-mismatch",
    "built for another git ref",
    "The workflow ran for another branch or tag than the policy allows: a pull request or a feature branch, mostly.",
);
/// Built from another commit.
pub static COMMIT_MISMATCH: Code = Code::new(
    "commit-mismatch",
    "built from another commit",
    "The commit that was built, by the provenance or else by the certificate, is not the one demanded.",
);
/// The built commit is not the workflow's.
pub static BUILT_COMMIT_DIFFERS: Code = Code::new(
    "built-commit-differs",
    "the built commit is not the workflow's",
    "The provenance names a built commit that differs from the commit the workflow ran from. That is how a workflow of today builds an old tag, and how a workflow is made to build what nobody reviewed: the configuration must allow it.",
);
/// The repository's number is another.
pub static REPOSITORY_ID_MISMATCH: Code = Code::new(
    "repository-id-mismatch",
    "the repository's number is another",
    "The forge numbers repositories; the number survives a rename, and a taken-over name does not bring it along. A name that fits with a number that does not is a repository created anew under an old name.",
);
/// Built on a self-hosted runner, or the certificate does not say.
pub static SELF_HOSTED_RUNNER: Code = Code::new(
    "self-hosted-runner",
    "built on a self-hosted runner, or the certificate does not say",
    "Whoever owns a self-hosted runner can reach into the build. The policy demands runners that the forge hosts, and a certificate that does not say counts as self-hosted.",
);
/// Signed longer ago than the policy allows.
pub static TOO_OLD: Code = Code::new(
    "too-old",
    "signed longer ago than the policy allows",
    "By the earliest time that a log or a timestamp authority vouches for, the signature is older than the policy's maximum. Build and sign anew, or raise the maximum.",
);
/// Signed more than a day from now.
pub static SIGNED_IN_FUTURE: Code = Code::new(
    "signed-in-future",
    "signed more than a day from now",
    "A log or timestamp authority vouches for a time that has not come yet: this machine's clock is wrong, or theirs is.",
);
/// Another timestamp authority vouches for the time than the policy names.
pub static TIMESTAMP_AUTHORITY_MISMATCH: Code = Code::new(
    "timestamp-authority-mismatch",
    "another timestamp authority vouches for the time than the policy names",
    "The trust root believes several who vouch for times, and the policy only some of them. The time is proven, by somebody else: a log, or an authority that the policy does not list. Sign with the right authority, or mend the policy's list.",
);
/// The provenance has another build type.
pub static BUILD_TYPE_MISMATCH: Code = Code::new(
    "build-type-mismatch",
    "the provenance has another build type",
    "The build type says how to read a provenance's parameters. The policy allows others than this one.",
);
/// The provenance names another builder.
pub static BUILDER_MISMATCH: Code = Code::new(
    "builder-mismatch",
    "the provenance names another builder",
    "The builder is the trusted base of a build. The policy allows others than this one.",
);
/// An image went in that the policy does not allow.
pub static BASE_IMAGE_NOT_ALLOWED: Code = Code::new(
    "base-image-not-allowed",
    "an image went in that the policy does not allow",
    "The provenance lists the images that the build took in. One of them is not covered by the policy's list.",
);
/// The provenance says something else than the certificate that signed it.
pub static PROVENANCE_CONTRADICTS_CERTIFICATE: Code = Code::new(
    "provenance-contradicts-certificate",
    "the provenance says something else than the certificate that signed it",
    "A predicate is written by whatever runs in the signing workflow; the certificate is what the forge vouches for. Here the two name another repository, ref, commit, workflow, builder or run. No honest tool does that: treat the artifact as forged until its makers explain it.",
);
/// The predicate says it is a provenance and is not shaped like one.
pub static PROVENANCE_MALFORMED: Code = Code::new(
    "provenance-malformed",
    "the predicate says it is a provenance and is not shaped like one",
    "The predicate's type promises SLSA provenance and its content does not follow it, so nothing in it can be relied upon. Sign anew with a tool that writes the specification's shape.",
);
/// The provenance's build type is unknown here.
pub static PROVENANCE_NOT_COMPARED: Code = Code::new(
    "provenance-not-compared",
    "the provenance's build type is unknown here",
    "Parameters of unknown build types cannot be held against the certificate; only the source they name was. Demand a build type in the policy to rule this out.",
);
/// A log promised to include the entry, and its proof is not in the bundle.
pub static SET_ONLY: Code = Code::new(
    "set-only",
    "a log promised to include the entry, and its proof is not in the bundle",
    "Old bundles carry a signed entry timestamp only: a promise by the log. It is accepted for them, and said.",
);
/// No evidence satisfies the demand.
pub static EVIDENCE_MISSING: Code = Code::new(
    "evidence-missing",
    "no evidence satisfies the demand",
    "All sources were asked, and nothing about this digest with this predicate satisfies the policy. What was found and is not good enough stands beside this finding. Attest the artifact, or point at where its evidence is.",
);
/// Such evidence exists for the index, and does not speak of the platform.
pub static EVIDENCE_ON_INDEX_ONLY: Code = Code::new(
    "evidence-on-index-only",
    "such evidence exists for the index, and does not speak of the platform",
    "The index has evidence of this kind, and it names the index alone. An SBOM or scan of an index looked at one platform, usually. Attest each platform, or let the policy count all evidence of an index.",
);

/// All codes of this room.
pub static CODES: &[&Code] = &[
    &IDENTITY_MISMATCH,
    &SIGNER_WORKFLOW_MISMATCH,
    &ISSUER_MISMATCH,
    &KEY_MISMATCH,
    &SUBJECT_NOT_NAMED,
    &SOURCE_REPOSITORY_MISMATCH,
    &WORKFLOW_MISMATCH,
    &REF_MISMATCH,
    &COMMIT_MISMATCH,
    &BUILT_COMMIT_DIFFERS,
    &REPOSITORY_ID_MISMATCH,
    &SELF_HOSTED_RUNNER,
    &TOO_OLD,
    &SIGNED_IN_FUTURE,
    &TIMESTAMP_AUTHORITY_MISMATCH,
    &BUILD_TYPE_MISMATCH,
    &BUILDER_MISMATCH,
    &BASE_IMAGE_NOT_ALLOWED,
    &PROVENANCE_CONTRADICTS_CERTIFICATE,
    &PROVENANCE_MALFORMED,
    &PROVENANCE_NOT_COMPARED,
    &SET_ONLY,
    &EVIDENCE_MISSING,
    &EVIDENCE_ON_INDEX_ONLY,
];
