//! The reference of the command line, from the same definition that parses it.

use clap::{Arg, ArgAction, Command};

use super::codes::escape;
use super::{MADE, Made};

pub(super) fn page() -> Made {
    let mut command = loadline::command();
    command.build();
    let mut text = String::from("# Command line\n\n");
    text.push_str(MADE);
    section(&mut text, &command, 2);
    text.push_str("\n## Exit codes\n\n| code | means |\n|---|---|\n");
    for exit in loadline::Exit::ALL {
        text.push_str(&format!("| {} | {} |\n", exit.code(), escape(exit.meaning())));
    }
    Made { path: "docs/src/reference/cli.md".into(), text }
}

fn section(text: &mut String, command: &Command, depth: usize) {
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name());
    text.push_str(&format!("{} {name}\n\n", "#".repeat(depth)));
    if let Some(about) = command.get_long_about().or_else(|| command.get_about()) {
        text.push_str(&format!("{}\n\n", escape(&about.to_string())));
    }
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage:").trim();
    text.push_str(&format!("```text\n{usage}\n```\n\n"));
    let arguments: Vec<&Arg> =
        command.get_arguments().filter(|arg| !arg.is_hide_set() && !says_only(arg)).collect();
    if !arguments.is_empty() {
        text.push_str("| argument | |\n|---|---|\n");
        for argument in arguments {
            text.push_str(&row(argument));
        }
        text.push('\n');
    }
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set() && verb.get_name() != "help") {
        section(text, verb, (depth + 1).min(4));
    }
}

/// `--help` and `--version`, which every program has.
fn says_only(argument: &Arg) -> bool {
    use ArgAction::{Help, HelpLong, HelpShort, Version};
    matches!(argument.get_action(), Help | HelpLong | HelpShort | Version)
}

fn row(argument: &Arg) -> String {
    let mut names = Vec::new();
    names.extend(argument.get_short().map(|short| format!("-{short}")));
    names.extend(argument.get_long().map(|long| format!("--{long}")));
    let takes = matches!(argument.get_action(), ArgAction::Set | ArgAction::Append);
    let values: Vec<String> = argument
        .get_value_names()
        .unwrap_or_default()
        .iter()
        .map(|value| if argument.is_positional() { value.to_string() } else { format!(" {value}") })
        .collect();
    let value = if takes { values.join("") } else { String::new() };
    let mut says: Vec<String> = Vec::new();
    if let Some(help) = argument.get_long_help().or_else(|| argument.get_help()) {
        let help = escape(&help.to_string().replace('\n', " "));
        says.push(if help.ends_with('.') { help } else { format!("{help}.") });
    }
    let defaults: Vec<String> =
        argument.get_default_values().iter().map(|value| format!("`{}`", value.to_string_lossy())).collect();
    if takes && !defaults.is_empty() {
        says.push(format!("Default: {}.", defaults.join(", ")));
    }
    let choices: Vec<String> = argument
        .get_possible_values()
        .iter()
        .filter(|value| !value.is_hide_set())
        .map(|value| format!("`{}`", value.get_name()))
        .collect();
    if takes && !choices.is_empty() {
        says.push(format!("One of {}.", choices.join(", ")));
    }
    if let Some(variable) = argument.get_env() {
        says.push(format!("Variable: `{}`.", variable.to_string_lossy()));
    }
    let name = format!("{}{value}", names.join(", "));
    format!("| `{}` | {} |\n", name.trim().replace('|', "\\|"), says.join(" ").replace('|', "\\|"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_show_what_they_take() {
        let argument = Arg::new("format")
            .long("format")
            .short('f')
            .value_name("FORMAT")
            .default_value("human")
            .value_parser(["human", "json"])
            .help("How a|b is written");
        assert_eq!(
            row(&argument),
            "| `-f, --format FORMAT` | How a\\|b is written. Default: `human`. One of `human`, `json`. |\n"
        );
        let flag = Arg::new("plan").long("plan").action(ArgAction::SetTrue).help("Says what it would do");
        assert_eq!(row(&flag), "| `--plan` | Says what it would do. |\n");
    }

    #[test]
    fn every_verb_is_on_the_page() {
        let page = page();
        for verb in loadline::command().get_subcommands() {
            assert!(
                page.text.contains(&format!("### loadline {}\n", verb.get_name())),
                "{}",
                verb.get_name()
            );
        }
    }
}
