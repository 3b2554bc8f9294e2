//! The flags of the command line as keys. All of it is read off clap's definition; there is no second
//! list of flags or commands.

use clap::{Arg, ArgAction, Command};

/// The table of the interface itself, which is no command on the command line.
pub(super) const OPEN: &str = "open";
/// The help of commands is a command of clap's.
const HELP: &str = "help";
/// Flags that mean nothing in a file.
const NO_KEYS: [&str; 3] = ["config", HELP, "version"];
/// What is said of a model stands under these headings of the help, with two exceptions.
const OF_MODELS: [&str; 3] = ["Model", "Preprocessing", "Explanation"];
const NOT_OF_MODELS: [&str; 2] = ["model", "offline"];

/// The command line, for those who look things up in it.
#[derive(Debug)]
pub(super) struct Definition {
    root: Command,
}

impl Definition {
    pub(super) fn new(mut root: Command) -> Self {
        root.build();
        Self { root }
    }

    /// All commands and the names of their tables; first the interface.
    pub(super) fn commands(&self) -> impl Iterator<Item = (&str, &Command)> {
        let others = self.root.get_subcommands().map(|one| (one.get_name(), one));
        std::iter::once((OPEN, &self.root)).chain(others.filter(|(name, _)| *name != HELP))
    }

    pub(super) fn command(&self, name: &str) -> Option<&Command> {
        let mut commands = self.commands();
        commands.find_map(|(own, command)| (own == name).then_some(command))
    }

    /// The flag of this key in each command that has it.
    pub(super) fn everywhere(&self, key: &str) -> Vec<(&str, &Arg)> {
        let commands = self.commands();
        commands
            .filter_map(|(name, command)| Some((name, flag(command, key)?)))
            .collect()
    }

    /// Every key once, in the order of the help, with the commands that have it.
    pub(super) fn keys(&self) -> Vec<(&str, Vec<(&str, &Arg)>)> {
        let mut all: Vec<(&str, Vec<(&str, &Arg)>)> = Vec::new();
        for (name, command) in self.commands() {
            for arg in flags(command) {
                match all.iter_mut().find(|(own, _)| *own == key(arg)) {
                    Some((_, commands)) => commands.push((name, arg)),
                    None => all.push((key(arg), vec![(name, arg)])),
                }
            }
        }
        all
    }
}

/// The flags of a command that have a key.
pub(super) fn flags(command: &Command) -> impl Iterator<Item = &Arg> {
    let flags = command.get_arguments();
    flags.filter(|arg| {
        let long = arg.get_long();
        !arg.is_hide_set() && long.is_some_and(|long| !NO_KEYS.contains(&long))
    })
}

pub(super) fn flag<'a>(command: &'a Command, wanted: &str) -> Option<&'a Arg> {
    flags(command).find(|arg| key(arg) == wanted)
}

/// A flag without the dashes in front.
pub(super) fn key(arg: &Arg) -> &str {
    arg.get_long().unwrap_or_default()
}

/// Whether one line of a file can be meant for all these flags: they take the same, and their helps
/// say the same.
pub(super) fn mean_the_same(flags: &[(&str, &Arg)]) -> bool {
    let shape = |arg: &Arg| {
        let help = arg.get_help().map(ToString::to_string);
        (help, names(arg), is_switch(arg), is_list(arg))
    };
    flags.windows(2).all(|two| match two {
        [(_, one), (_, other)] => shape(one) == shape(other),
        _ => true,
    })
}

/// Whether it says something of a model, so that it can be said for some models only.
pub(super) fn is_of_models(arg: &Arg) -> bool {
    let heading = arg.get_help_heading();
    heading.is_some_and(|heading| OF_MODELS.contains(&heading))
        && !NOT_OF_MODELS.contains(&key(arg))
}

pub(super) fn is_switch(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::SetTrue)
}

/// Whether it can be given again.
pub(super) fn is_list(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Append)
}

/// What the help calls its value: "FILE|NAME".
pub(super) fn names(arg: &Arg) -> String {
    let names = arg.get_value_names().unwrap_or_default();
    let names: Vec<&str> = names.iter().map(clap::builder::Str::as_str).collect();
    names.join(" ")
}

/// Whether clap refuses the two together. Either may be the one that says so.
pub(super) fn conflict(command: &Command, one: &Arg, other: &Arg) -> bool {
    let refuses = |one: &Arg, other: &Arg| {
        let refused = command.get_arg_conflicts_with(one);
        refused.iter().any(|arg| arg.get_id() == other.get_id())
    };
    refuses(one, other) || refuses(other, one)
}

/// The flag that takes a switch back: `--no-bgr`, and `--recursive` for `--no-recursive`.
pub(super) fn opposite(switch: &str) -> String {
    switch
        .strip_prefix("no-")
        .map_or_else(|| format!("no-{switch}"), str::to_owned)
}

/// Gives each switch of a command and of those below it its opposite, so that the command line can
/// take back what a file has switched on. The last of the two counts. The help says so once.
pub(in crate::cli) fn with_opposites(command: Command) -> Command {
    let switches = command.get_arguments().filter(|arg| is_switch(arg));
    let opposites: Vec<Arg> = switches
        .filter(|arg| arg.get_long().is_some())
        .map(|arg| {
            let long = opposite(key(arg));
            Arg::new(long.clone())
                .long(long)
                .action(ArgAction::SetTrue)
                .overrides_with(arg.get_id().clone())
                .hide(true)
        })
        .collect();
    command.args(opposites).mut_subcommands(with_opposites)
}
