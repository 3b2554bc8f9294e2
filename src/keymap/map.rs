//! The keymap in force: the table, with the user's own keys in place of some.

use crossterm::event::KeyEvent;

use super::key::{Key, names};
use super::{
    BINDINGS, Binding, Command, GROUPS, MATRIX, MATRIX_BINDINGS, PAGE_BINDINGS, PAGES, Page,
    SUMMARY, SUMMARY_BINDINGS, letter, rows_of,
};

/// Which key means what, while images are looked at.
#[derive(Clone, Debug)]
pub struct Keymap {
    /// Each line of the table, and its keys.
    rows: Vec<(&'static Binding, Vec<Key>)>,
}

impl Default for Keymap {
    fn default() -> Self {
        let rows = BINDINGS
            .iter()
            .map(|binding| (binding, binding.keys.to_vec()));
        Self {
            rows: rows.collect(),
        }
    }
}

impl Keymap {
    /// Gives a command these keys and no others.
    pub fn set(&mut self, command: Command, keys: &[Key]) {
        for (binding, own) in &mut self.rows {
            if binding.command == command {
                *own = keys.to_vec();
            }
        }
    }

    /// What a key means.
    #[must_use]
    pub fn lookup(&self, event: &KeyEvent) -> Option<Command> {
        self.commands(Key::pressed(event)?).next()
    }

    /// All that a key means; one command at most, unless the user has taken a key twice.
    pub fn commands(&self, key: Key) -> impl Iterator<Item = Command> {
        let with = self
            .rows
            .iter()
            .filter(move |(_, keys)| keys.contains(&key));
        with.map(|(binding, _)| binding.command)
    }

    #[must_use]
    pub fn keys(&self, command: Command) -> &[Key] {
        let mut rows = self.rows.iter();
        let row = rows.find(|(binding, _)| binding.command == command);
        row.map_or(&[], |(_, keys)| keys)
    }

    /// The first key of a command, as people read it; empty where it has none.
    #[must_use]
    pub fn first(&self, command: Command) -> String {
        let first = self.keys(command).first();
        first.map_or_else(String::new, |key| key.name())
    }

    /// What a sentence calls the key of a command; where it has none, the name of the command.
    #[must_use]
    pub fn called(&self, command: Command) -> String {
        match self.first(command) {
            key if key.is_empty() => command.name(),
            key => key,
        }
    }

    /// Groups in the order of the tables, of which one has no rows where none of its commands has a
    /// key: keys and what they do.
    #[must_use]
    pub fn groups(&self) -> Vec<(String, Vec<(String, &'static str)>)> {
        let own = |group: &'static str| {
            let rows = self.rows.iter();
            rows.filter(move |(binding, keys)| binding.group == group && !keys.is_empty())
                .map(|(binding, keys)| (names(keys), binding.help))
        };
        let rows = |group: &'static str| {
            own(group)
                .chain(rows_of(PAGE_BINDINGS, group))
                .chain(rows_of(MATRIX_BINDINGS, group))
                .chain(rows_of(SUMMARY_BINDINGS, group))
                .collect()
        };
        GROUPS
            .map(|group| (self.heading(group), rows(group)))
            .into()
    }

    /// Headings name the keys that lead to a page.
    fn heading(&self, group: &'static str) -> String {
        let firsts = |pages: &[Page]| -> Vec<String> {
            let keys = pages.iter().map(|page| self.first(Command::Open(*page)));
            keys.filter(|key| !key.is_empty()).collect()
        };
        let of = |words: &str, command| match self.first(command) {
            key if key.is_empty() => words.to_owned(),
            key => format!("{words}, {key}"),
        };
        match group {
            PAGES => match firsts(&Page::ALL).as_slice() {
                [] => "On the pages to choose from".to_owned(),
                [one] => format!("On the page of {one}"),
                [most @ .., last] => format!("On the pages of {} and {last}", most.join(", ")),
            },
            MATRIX => of("In the confusion matrix", Command::Matrix),
            SUMMARY => of("In the summary", Command::Summary),
            group => group.to_owned(),
        }
    }

    /// For the footer: keys and a word for each; commands without a key are left out.
    #[must_use]
    pub fn hints(&self) -> Vec<(String, &'static str)> {
        let mut hints = Vec::new();
        for (binding, keys) in &self.rows {
            let hint = match binding.command {
                Command::TargetRank(1) => (self.ranks(), binding.hint),
                _ => (
                    keys.first().map_or_else(String::new, |key| key.name()),
                    binding.hint,
                ),
            };
            if !hint.0.is_empty() && !hint.1.is_empty() {
                hints.push(hint);
            }
        }
        hints
    }

    /// The keys of the five best classes: "1-5", where they are digits that follow each other.
    #[must_use]
    pub fn ranks(&self) -> String {
        let firsts = (1..=5).filter_map(|rank| self.keys(Command::TargetRank(rank)).first());
        let firsts: Vec<Key> = firsts.copied().collect();
        if firsts == ['1', '2', '3', '4', '5'].map(letter) {
            "1-5".to_owned()
        } else {
            names(&firsts)
        }
    }
}

#[cfg(test)]
mod tests {
    use crossterm::event::{KeyCode, KeyModifiers};

    use super::*;

    fn key(name: &str) -> Key {
        name.parse().unwrap()
    }

    #[test]
    fn own_keys_take_the_place_of_those_of_the_table_everywhere() {
        let mut keymap = Keymap::default();
        keymap.set(Command::NextImage, &[key("ctrl-n"), key("e")]);
        keymap.set(Command::Matrix, &[key("f2")]);
        keymap.set(Command::Help, &[]);
        let pressed =
            |letter, modifiers| keymap.lookup(&KeyEvent::new(KeyCode::Char(letter), modifiers));
        assert_eq!(
            pressed('n', KeyModifiers::CONTROL),
            Some(Command::NextImage)
        );
        assert_eq!(pressed('j', KeyModifiers::NONE), None);
        assert_eq!(pressed('?', KeyModifiers::NONE), None);
        let groups = keymap.groups();
        assert_eq!(groups[0].1[0], ("Ctrl-n e".to_owned(), "next image"));
        let headings: Vec<&String> = groups.iter().map(|(heading, _)| heading).collect();
        assert_eq!(headings[12], "In the confusion matrix, F2");
        assert!(
            !groups
                .iter()
                .any(|(_, rows)| rows.iter().any(|row| row.1 == "this help"))
        );
        let hints = keymap.hints();
        assert!(hints.contains(&("Ctrl-n".to_owned(), "next")));
        assert!(hints.contains(&("1-5".to_owned(), "class")));
        assert!(!hints.iter().any(|(_, hint)| *hint == "help"));
    }

    #[test]
    fn the_names_of_commands_stay_as_they_are() {
        let names: Vec<String> = BINDINGS
            .iter()
            .map(|binding| binding.command.name())
            .collect();
        insta::assert_snapshot!(names.join(" "));
    }

    #[test]
    fn headings_of_the_usual_keys_are_those_of_the_readme() {
        let headings = Keymap::default().groups();
        for ((heading, _), group) in headings.iter().zip(GROUPS) {
            assert_eq!(heading, group);
        }
    }
}
