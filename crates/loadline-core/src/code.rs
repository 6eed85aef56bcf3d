//! Codes: the stable, documented names of findings and failures.

/// A documented code. Each room lists its own in a `CODES` table; the reference page of all codes is
/// generated from those tables, and `cargo xtask tidy` checks that no two are alike.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Code {
    /// The kebab-case name that scripts match on.
    pub name: &'static str,
    /// One line: what it says when it comes out.
    pub summary: &'static str,
    /// A paragraph: why it matters, and what to do about it.
    pub explanation: &'static str,
}

impl Code {
    /// Writes a code down.
    pub const fn new(name: &'static str, summary: &'static str, explanation: &'static str) -> Self {
        Self { name, summary, explanation }
    }
}
