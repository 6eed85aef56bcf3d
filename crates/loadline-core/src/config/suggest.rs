//! The nearest valid name to a wrong one.

/// The candidate that the given name was most likely meant to be: the one with the fewest edits, if
/// they are at most a third of the name (and one is always allowed).
pub fn nearest<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let given: String = given.chars().take(100).collect::<String>().to_lowercase();
    let allowed = (given.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&given, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// A help line: the nearest name, or all of them where none is near.
pub(super) fn did_you_mean(given: &str, candidates: &[&str], what: &str) -> String {
    match nearest(given, candidates.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => {
            let all: Vec<String> = candidates.iter().map(|name| format!("`{name}`")).collect();
            format!("the {what}: {}", all.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        let known = ["platforms", "repository", "timeout"];
        assert_eq!(nearest("platform", known), Some("platforms"));
        assert_eq!(nearest("Repositroy", known), Some("repository"));
        assert_eq!(nearest("banana", known), None);
        assert_eq!(nearest("", known), None);
        assert_eq!(did_you_mean("x", &["a", "bcd"], "known keys"), "did you mean `a`?");
        assert_eq!(did_you_mean("xyz", &["a1", "bcd"], "known keys"), "the known keys: `a1`, `bcd`");
    }
}
