//! COPY and ADD.

use super::flags::Flags;
use crate::error::Problem;
use crate::heredoc::Heredoc;
use crate::instruction::Instruction;

/// Where a COPY or ADD takes something from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A path or pattern in the context or in `--from`; for ADD a URL or git repository too.
    Path(String),
    /// A file written in the Dockerfile itself.
    Heredoc {
        /// The file's name.
        name: String,
        /// Its content, leading tabs gone where `<<-` says so.
        content: String,
        /// Whether variables in it are expanded.
        expand: bool,
    },
}

/// `COPY` or `ADD`: nothing is expanded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// What is copied, in order.
    pub sources: Vec<Source>,
    /// Where to.
    pub destination: String,
    /// `--from`: a stage's name or number, an image, a named context (COPY only).
    pub from: Option<String>,
    /// `--chown`.
    pub chown: Option<String>,
    /// `--chmod`.
    pub chmod: Option<String>,
    /// `--link`.
    pub link: bool,
    /// `--parents` (COPY only).
    pub parents: bool,
    /// `--exclude`, in order.
    pub exclude: Vec<String>,
    /// `--keep-git-dir` (ADD only).
    pub keep_git_dir: bool,
    /// `--checksum` (ADD only).
    pub checksum: Option<String>,
    /// `--unpack` (ADD only), where it is given.
    pub unpack: Option<bool>,
}

impl Transfer {
    pub(super) fn copy(instruction: &Instruction) -> Result<Self, Problem> {
        let mut flags = Flags::new(instruction, "COPY");
        let mut transfer = Self::new(instruction, "COPY", &mut flags)?;
        transfer.from = flags.text("from")?;
        transfer.parents = flags.switch("parents")?.unwrap_or(false);
        flags.done()?;
        Ok(transfer)
    }

    pub(super) fn add(instruction: &Instruction) -> Result<Self, Problem> {
        let mut flags = Flags::new(instruction, "ADD");
        let mut transfer = Self::new(instruction, "ADD", &mut flags)?;
        transfer.keep_git_dir = flags.switch("keep-git-dir")?.unwrap_or(false);
        transfer.checksum = flags.text("checksum")?;
        transfer.unpack = flags.switch("unpack")?;
        flags.done()?;
        Ok(transfer)
    }

    fn new(instruction: &Instruction, keyword: &'static str, flags: &mut Flags<'_>) -> Result<Self, Problem> {
        let (destination, sources) = match instruction.arguments.values.as_slice() {
            [sources @ .., destination] if !sources.is_empty() => (destination, sources),
            _ => return Err(Problem::ArgumentCount { keyword, expected: "a source and a destination" }),
        };
        // The JSON form has no heredocs, but BuildKit looks for one in its destination all the same.
        if matches!(Heredoc::from_word(destination), Ok(Some(_))) {
            return Err(Problem::HeredocDestination { keyword });
        }
        Ok(Self {
            sources: sources.iter().map(|word| source(word, &instruction.heredocs)).collect(),
            destination: destination.clone(),
            from: None,
            chown: flags.text("chown")?,
            chmod: flags.text("chmod")?,
            link: flags.switch("link")?.unwrap_or(false),
            parents: false,
            exclude: flags.list("exclude")?,
            keep_git_dir: false,
            checksum: None,
            unpack: None,
        })
    }
}

fn source(word: &str, heredocs: &[Heredoc]) -> Source {
    let announced = Heredoc::from_word(word).ok().flatten();
    // Where two have one name, the later one is meant, as in BuildKit.
    match announced.and_then(|a| heredocs.iter().rfind(|h| h.name == a.name)) {
        Some(heredoc) => {
            Source::Heredoc { name: heredoc.name.clone(), content: heredoc.text(), expand: heredoc.expand }
        }
        None => Source::Path(word.to_owned()),
    }
}
