//! The codes of this room.

use loadline_core::Code;

/// An instruction that the daemonless builder does not carry out.
pub static ASSEMBLE_REFUSED: Code = Code::new(
    "assemble-refused",
    "the Dockerfile has an instruction that the daemonless builder does not carry out",
    "`builder = \"assemble\"` makes an image without running anything, so RUN, ONBUILD and ADD of a URL or git \
     repository are refused, all of them at once and before any work is done. Build the image with \
     `builder = \"buildx\"`, or move what the instruction does out of the Dockerfile: compile before the build and COPY \
     the result, download with a checksum in a step of its own.",
);

/// A Dockerfile that cannot be built.
pub static ASSEMBLE_DOCKERFILE: Code = Code::new(
    "assemble-dockerfile",
    "the Dockerfile cannot be built as it is written",
    "The line breaks a rule of the Dockerfile reference, names a stage, platform, owner or port that is not there, \
     or uses a variable that is not set. The message says which; BuildKit would refuse nearly all of these too.",
);

/// A COPY or ADD that cannot be made.
pub static ASSEMBLE_COPY: Code = Code::new(
    "assemble-copy",
    "a COPY or ADD cannot be made",
    "The source is not in the build context (or an ignore file excludes it), leaves the context, is a socket or \
     device, or the destination is something else already. Only what is beneath the context can be copied; \
     `--from` copies from a stage, an image or a named context.",
);

/// A context that cannot be read.
pub static ASSEMBLE_CONTEXT: Code = Code::new(
    "assemble-context",
    "the build context cannot be read",
    "The whole context is looked at, whatever the Dockerfile copies, because its digest goes into the provenance. \
     A file that cannot be read, or whose name is not UTF-8, stops the build: mend it, or add it to the \
     `.dockerignore` (or `NAME.dockerignore` beside the Dockerfile, which goes first).",
);

/// A base image that cannot be built on.
pub static ASSEMBLE_BASE: Code = Code::new(
    "assemble-base",
    "a base image cannot be built on",
    "The image is not there for the platform, has ONBUILD triggers, or contradicts itself: a layer that is not \
     what its configuration says, or that holds paths outside the root.",
);

/// A build that could not be finished for reasons outside its input.
pub static ASSEMBLE_UNFINISHED: Code = Code::new(
    "assemble-unfinished",
    "the daemonless build could not be finished",
    "A registry did not answer, a disk is full, or a file changed while it was read. Nothing is wrong with the \
     Dockerfile; nothing was tagged. Run the build again once the reason is gone.",
);

/// There is no docker client.
pub static BUILDX_NO_DOCKER: Code = Code::new(
    "buildx-no-docker",
    "there is no docker client",
    "`builder = \"buildx\"`, the default, drives `docker buildx build`, and there is no `docker` in PATH. \
     Install docker with its buildx plugin; the engine may run elsewhere (DOCKER_HOST, or a remote \
     builder instance). Dockerfiles without RUN need no docker with `builder = \"assemble\"`.",
);

/// The docker client has no buildx.
pub static BUILDX_MISSING: Code = Code::new(
    "buildx-missing",
    "the docker client has no buildx",
    "`docker buildx version` does not work: the plugin is not installed where the docker client looks for \
     it. It is in the packages docker-buildx-plugin (docker's own) and docker-buildx (Debian, Ubuntu); in \
     GitHub Actions, docker/setup-buildx-action installs it.",
);

/// Buildx is too old.
pub static BUILDX_TOO_OLD: Code = Code::new(
    "buildx-too-old",
    "buildx is too old",
    "Progress is read with `--progress rawjson`, which buildx 0.13 (March 2024) brought. Install a newer \
     one.",
);

/// There is no builder instance of the name that is configured.
pub static BUILDX_NO_INSTANCE: Code = Code::new(
    "buildx-no-instance",
    "there is no builder instance of the name that is configured",
    "`builder-instance` names an instance that `docker buildx ls` does not show. Instances belong to a \
     user and a machine: make it with `docker buildx create --name NAME`, in a step before this one where \
     a CI starts with a new machine each time.",
);

/// The builder instance cannot be used.
pub static BUILDX_UNREACHABLE: Code = Code::new(
    "buildx-unreachable",
    "the builder instance cannot be used",
    "buildx could not reach the engine or BuildKit behind the instance; the message has its words. Start \
     the engine, look at DOCKER_HOST and the docker context, or name another instance under \
     `builder-instance`.",
);

/// The builder instance cannot push by digest.
pub static BUILDX_NO_PUSH_BY_DIGEST: Code = Code::new(
    "buildx-no-push-by-digest",
    "the builder instance cannot push by digest",
    "The instance that docker comes with has the driver `docker`, which cannot push without a tag, and \
     nothing may be tagged before it is gated. Make one with another driver (`docker buildx create --name \
     loadline --driver docker-container --bootstrap`) and name it under `builder-instance`, or let \
     docker/setup-buildx-action do so.",
);

/// The builder instance cannot build for a platform.
pub static BUILDX_NO_PLATFORM: Code = Code::new(
    "buildx-no-platform",
    "the builder instance cannot build for a platform",
    "None of the instance's nodes has the platform. Emulation adds it (`docker run --privileged \
     tonistiigi/binfmt --install all`, docker/setup-qemu-action), as does a node of that platform \
     (`docker buildx create --append`); or build the leg on a runner of its own.",
);

/// A secret of a build is not there.
pub static BUILDX_SECRET: Code = Code::new(
    "buildx-secret",
    "a secret of a build is not there",
    "A secret that the configuration lists is not in the variable or file that it names. Builds without \
     it could succeed with other content, so none is begun.",
);

/// A stage of the Dockerfile failed.
pub static BUILDX_STAGE_FAILED: Code = Code::new(
    "buildx-stage-failed",
    "a stage of the Dockerfile failed",
    "BuildKit ran an instruction and it failed; the message has the stage, the reason and the last lines \
     that it printed. Nothing was tagged. Whether the Dockerfile, its sources or a mirror is to blame, \
     the log tells.",
);

/// A build with buildx failed outside of any stage.
pub static BUILDX_FAILED: Code = Code::new(
    "buildx-failed",
    "a build with buildx failed outside of any stage",
    "buildx refused the Dockerfile or an option, or lost the builder; the message has its last lines. \
     Nothing was tagged.",
);

/// A build with buildx did not come to its end.
pub static BUILDX_UNFINISHED: Code = Code::new(
    "buildx-unfinished",
    "a build with buildx did not come to its end",
    "It ran out of its time limit, was interrupted, or the system refused to run it. Nothing was tagged; \
     raise `timeout` if that was it, and run again.",
);

/// What buildx built is not what was asked for.
pub static BUILDX_RESULT: Code = Code::new(
    "buildx-result",
    "what buildx built is not what was asked for",
    "The build ended well, but its metadata file is missing, or the registry does not hold what it names: \
     an image for the platform that was asked for, with a configuration that fits its layers. Nothing was \
     tagged.",
);

/// A cache that buildx leaves out.
pub static BUILDX_CACHE_IGNORED: Code = Code::new(
    "buildx-cache-ignored",
    "a cache is configured that buildx leaves out",
    "A cache of type `gha` is reached with variables that GitHub Actions gives to actions, not to `run:` \
     steps. Without them buildx leaves the cache out and says nothing; the build is right, only slower. \
     `crazy-max/ghaction-github-runtime` hands them on.",
);

/// A tool that leaves a layout is not there.
pub static LAYOUT_NO_TOOL: Code = Code::new(
    "layout-no-tool",
    "the tool that is to leave a layout is not there",
    "`builder = \"layout\"` runs another tool, which must be in PATH, or be named by its path in the context. \
     The message says which, and how to get it.",
);

/// A tool that leaves a layout failed.
pub static LAYOUT_FAILED: Code = Code::new(
    "layout-failed",
    "the tool that is to leave a layout failed",
    "The message has the command and the last lines that it printed. It runs in a copy of the context, \
     without what the ignore file excludes and without `.git`, and reads only the listed variables of the \
     environment: what worked elsewhere may miss one of them (`environment = [\"NAME\"]`).",
);

/// A tool did not come to its end.
pub static LAYOUT_UNFINISHED: Code = Code::new(
    "layout-unfinished",
    "the tool that is to leave a layout did not come to its end",
    "It ran out of its time limit, was interrupted, or what it left could not be copied. Nothing was \
     tagged; raise `timeout` if that was it, and run again.",
);

/// The context cannot be copied for a tool.
pub static LAYOUT_CONTEXT: Code = Code::new(
    "layout-context",
    "the context cannot be copied for the tool that builds",
    "A file cannot be read, or has a name that is not UTF-8. Mend it, or add it to the `.dockerignore`.",
);

/// What a tool left is not what was asked for.
pub static LAYOUT_RESULT: Code = Code::new(
    "layout-result",
    "what a tool left is not what was asked for",
    "There is no OCI layout where it should be, or it does not hold exactly one image for the platform, with \
     a configuration that says so. The message says what there is.",
);

/// A tool is not kept within limits.
pub static LAYOUT_UNLIMITED: Code = Code::new(
    "layout-unlimited",
    "a tool builds without a limit to what it uses and reaches",
    "loadline limits the tool's time, environment and directory; the network, memory, processors and \
     processes it can limit only through a tool that offers it: buildah and podman do. This note says so \
     where nothing is limited.",
);

/// An existing image is not there.
pub static EXISTING_MISSING: Code = Code::new(
    "existing-missing",
    "an image that is to be at a registry is not there",
    "`builder = \"existing\"` takes what another CI pushed, by digest. Nothing is there by that digest, or none \
     is named for the platform. Registries remove what no tag points at after a while.",
);

/// An existing image is another one.
pub static EXISTING_WRONG: Code = Code::new(
    "existing-wrong",
    "an image at a registry is not for the platform that it is to be for",
    "What is there by that digest has no image for the platform, or several, or one whose configuration says \
     something else. The message says what there is.",
);

/// A registry could not be asked for an existing image.
pub static EXISTING_UNREAD: Code = Code::new(
    "existing-unread",
    "an image that is to be at a registry could not be looked at",
    "The registry did not answer, or refused; the message says which. Nothing was tagged.",
);

/// All codes of this room.
pub static CODES: &[&Code] = &[
    &ASSEMBLE_REFUSED,
    &ASSEMBLE_DOCKERFILE,
    &ASSEMBLE_COPY,
    &ASSEMBLE_CONTEXT,
    &ASSEMBLE_BASE,
    &ASSEMBLE_UNFINISHED,
    &BUILDX_NO_DOCKER,
    &BUILDX_MISSING,
    &BUILDX_TOO_OLD,
    &BUILDX_NO_INSTANCE,
    &BUILDX_UNREACHABLE,
    &BUILDX_NO_PUSH_BY_DIGEST,
    &BUILDX_NO_PLATFORM,
    &BUILDX_SECRET,
    &BUILDX_STAGE_FAILED,
    &BUILDX_FAILED,
    &BUILDX_UNFINISHED,
    &BUILDX_RESULT,
    &BUILDX_CACHE_IGNORED,
    &LAYOUT_NO_TOOL,
    &LAYOUT_FAILED,
    &LAYOUT_UNFINISHED,
    &LAYOUT_CONTEXT,
    &LAYOUT_RESULT,
    &LAYOUT_UNLIMITED,
    &EXISTING_MISSING,
    &EXISTING_WRONG,
    &EXISTING_UNREAD,
];
