//! Dockerfile text to instructions and shared regions, lossless.
//!
//! [`Dockerfile::parse`] reads what BuildKit's parser reads: byte order marks, the `escape`, `syntax` and
//! `check` directives, continuation lines with comments and blank lines inside, heredocs, JSON forms and
//! those that only look like JSON, flags, `ONBUILD`, Windows line endings. Every byte of the file belongs to
//! exactly one [`Token`]: the tokens, one after the other, are the file.
//!
//! Two floors of strictness, as in BuildKit: [`Dockerfile::parse`] refuses what its parser refuses;
//! [`Instruction::command`] and [`Dockerfile::stages`] give typed views and refuse what the instructions
//! themselves do not allow.
//!
//! [`region`] finds shared regions, [`expand`] substitutes variables; both need no parsed Dockerfile.
//!
//! [`ignore`] says what `.dockerignore` keeps out of a build context, [`glob`] and [`path`] are what it is made of.
//!
//! This room is pure: text in, values out; no file, no clock, no environment.

pub mod command;
mod directive;
mod duration;
mod error;
pub mod expand;
mod flag;
pub mod glob;
mod heredoc;
pub mod ignore;
mod instruction;
mod json;
mod keyword;
mod line;
mod parse;
pub mod path;
mod pattern;
pub mod region;
mod stage;
mod token;
mod value;

pub use command::Command;
pub use directive::{Directive, Directives};
pub use error::{ParseError, Problem};
pub use flag::Flag;
pub use heredoc::Heredoc;
pub use instruction::{Arguments, Instruction};
pub use keyword::Keyword;
pub use line::{Encoding, Ending, Line, encoding, lines};
pub use parse::{Dockerfile, LineKind, MAX_BYTES, MAX_LINE_BYTES};
pub use region::{Region, RegionProblem};
pub use stage::Stage;
pub use token::{Token, TokenKind};
