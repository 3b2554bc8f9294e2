//! The keys, in one table: what is pressed, what it means, and how help says it.
//!
//! The help page, the footer and the README's table are made from [`BINDINGS`].

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// What the user means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    NextImage,
    PreviousImage,
    FirstImage,
    LastImage,
    HalfPageDown,
    HalfPageUp,
    PageDown,
    PageUp,
    Filter,
    NextOrder,
    /// The class of this rank; 1 is the top prediction.
    TargetRank(u8),
    NextTarget,
    PreviousTarget,
    NextView,
    MoreOpacity,
    LessOpacity,
    NextColormap,
    FullScreen,
    Save,
    CopyPath,
    Help,
    Redraw,
    Back,
    Suspend,
    Quit,
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Binding {
    pub keys: &'static [Key],
    pub command: Command,
    /// At most 40 columns.
    pub help: &'static str,
    /// A word for the footer; empty keeps it out.
    pub hint: &'static str,
    pub group: &'static str,
}

/// A key as people write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    pub code: KeyCode,
    pub control: bool,
}

const fn key(code: KeyCode) -> Key {
    Key {
        code,
        control: false,
    }
}

const fn letter(character: char) -> Key {
    key(KeyCode::Char(character))
}

const fn ctrl(character: char) -> Key {
    Key {
        code: KeyCode::Char(character),
        control: true,
    }
}

const fn bind(
    keys: &'static [Key],
    command: Command,
    help: &'static str,
    hint: &'static str,
    group: &'static str,
) -> Binding {
    Binding {
        keys,
        command,
        help,
        hint,
        group,
    }
}

const IMAGES: &str = "Images";
const CLASS: &str = "Class";
const PICTURE: &str = "Picture";
const PROGRAM: &str = "Program";

/// Every key.
pub const BINDINGS: &[Binding] = &[
    bind(
        &[letter('j'), key(KeyCode::Down)],
        Command::NextImage,
        "next image",
        "next",
        IMAGES,
    ),
    bind(
        &[letter('k'), key(KeyCode::Up)],
        Command::PreviousImage,
        "previous image",
        "previous",
        IMAGES,
    ),
    bind(
        &[letter('g'), key(KeyCode::Home)],
        Command::FirstImage,
        "first image",
        "",
        IMAGES,
    ),
    bind(
        &[letter('G'), key(KeyCode::End)],
        Command::LastImage,
        "last image",
        "",
        IMAGES,
    ),
    bind(
        &[ctrl('d')],
        Command::HalfPageDown,
        "half a page down",
        "",
        IMAGES,
    ),
    bind(
        &[ctrl('u')],
        Command::HalfPageUp,
        "half a page up",
        "",
        IMAGES,
    ),
    bind(
        &[key(KeyCode::PageDown)],
        Command::PageDown,
        "a page down",
        "",
        IMAGES,
    ),
    bind(
        &[key(KeyCode::PageUp)],
        Command::PageUp,
        "a page up",
        "",
        IMAGES,
    ),
    bind(
        &[letter('/')],
        Command::Filter,
        "filter by name; Enter keeps, Esc clears",
        "filter",
        IMAGES,
    ),
    bind(
        &[letter('o')],
        Command::NextOrder,
        "order: name, reverse, class, doubtful",
        "order",
        IMAGES,
    ),
    bind(
        &[letter('1')],
        Command::TargetRank(1),
        "explain the top prediction",
        "class",
        CLASS,
    ),
    bind(
        &[letter('2')],
        Command::TargetRank(2),
        "explain the second",
        "",
        CLASS,
    ),
    bind(
        &[letter('3')],
        Command::TargetRank(3),
        "explain the third",
        "",
        CLASS,
    ),
    bind(
        &[letter('4')],
        Command::TargetRank(4),
        "explain the fourth",
        "",
        CLASS,
    ),
    bind(
        &[letter('5')],
        Command::TargetRank(5),
        "explain the fifth",
        "",
        CLASS,
    ),
    bind(
        &[key(KeyCode::Tab)],
        Command::NextTarget,
        "next class",
        "",
        CLASS,
    ),
    bind(
        &[key(KeyCode::BackTab)],
        Command::PreviousTarget,
        "previous class",
        "",
        CLASS,
    ),
    bind(
        &[letter('v')],
        Command::NextView,
        "overlay, image, heatmap, side by side",
        "view",
        PICTURE,
    ),
    bind(
        &[letter('+'), letter('=')],
        Command::MoreOpacity,
        "heatmap stronger",
        "",
        PICTURE,
    ),
    bind(
        &[letter('-')],
        Command::LessOpacity,
        "heatmap weaker",
        "",
        PICTURE,
    ),
    bind(
        &[letter('m')],
        Command::NextColormap,
        "next colormap",
        "colors",
        PICTURE,
    ),
    bind(
        &[letter('z')],
        Command::FullScreen,
        "picture on the full screen and back",
        "zoom",
        PICTURE,
    ),
    bind(
        &[letter('s')],
        Command::Save,
        "save the picture as PNG",
        "save",
        PICTURE,
    ),
    bind(
        &[letter('y')],
        Command::CopyPath,
        "copy the path of the image",
        "",
        PROGRAM,
    ),
    bind(
        &[letter('?'), key(KeyCode::F(1))],
        Command::Help,
        "this help",
        "help",
        PROGRAM,
    ),
    bind(
        &[ctrl('l')],
        Command::Redraw,
        "draw everything again",
        "",
        PROGRAM,
    ),
    bind(
        &[key(KeyCode::Esc)],
        Command::Back,
        "back; clear the filter",
        "",
        PROGRAM,
    ),
    bind(
        &[ctrl('z')],
        Command::Suspend,
        "suspend; fg comes back",
        "",
        PROGRAM,
    ),
    bind(
        &[letter('q'), ctrl('c')],
        Command::Quit,
        "quit",
        "quit",
        PROGRAM,
    ),
];

/// What a key means.
#[must_use]
pub fn lookup(event: &KeyEvent) -> Option<Command> {
    if event
        .modifiers
        .intersects(KeyModifiers::ALT | KeyModifiers::SUPER | KeyModifiers::META)
    {
        return None;
    }
    let pressed = Key {
        code: event.code,
        control: event.modifiers.contains(KeyModifiers::CONTROL),
    };
    BINDINGS
        .iter()
        .find(|binding| binding.keys.contains(&pressed))
        .map(|binding| binding.command)
}

impl Key {
    /// "j", "Ctrl-d", "Shift-Tab".
    #[must_use]
    pub fn name(self) -> String {
        let name = match self.code {
            KeyCode::Char(character) => character.to_string(),
            KeyCode::Down => "↓".to_owned(),
            KeyCode::Up => "↑".to_owned(),
            KeyCode::BackTab => "Shift-Tab".to_owned(),
            KeyCode::F(number) => format!("F{number}"),
            other => format!("{other:?}"),
        };
        if self.control {
            format!("Ctrl-{name}")
        } else {
            name
        }
    }
}

impl Binding {
    /// "j ↓".
    #[must_use]
    pub fn key_names(&self) -> String {
        self.keys
            .iter()
            .map(|key| key.name())
            .collect::<Vec<_>>()
            .join(" ")
    }
}

/// Groups in the order of the table.
pub fn groups() -> impl Iterator<Item = (&'static str, Vec<&'static Binding>)> {
    [IMAGES, CLASS, PICTURE, PROGRAM].into_iter().map(|group| {
        (
            group,
            BINDINGS
                .iter()
                .filter(|binding| binding.group == group)
                .collect(),
        )
    })
}

/// The README's table.
#[must_use]
pub fn readme_table() -> String {
    let line = |binding: &Binding| {
        let keys: Vec<String> = binding
            .keys
            .iter()
            .map(|key| format!("`{}`", key.name()))
            .collect();
        format!("| {} | {} |\n", keys.join(" "), binding.help)
    };
    let lines: Vec<String> = BINDINGS.iter().map(line).collect();
    format!("| keys | |\n|---|---|\n{}", lines.concat())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_key_means_two_things_and_no_command_stands_twice() {
        let keys: Vec<String> = BINDINGS
            .iter()
            .flat_map(|binding| binding.keys)
            .map(|key| key.name())
            .collect();
        assert_eq!(keys.iter().collect::<HashSet<_>>().len(), keys.len());
        let commands: HashSet<Command> = BINDINGS.iter().map(|binding| binding.command).collect();
        assert_eq!(commands.len(), BINDINGS.len());
    }

    #[test]
    fn every_help_text_fits_its_column_and_every_binding_is_in_a_group() {
        for binding in BINDINGS {
            assert!(
                (1..=40).contains(&binding.help.chars().count()),
                "{}",
                binding.help
            );
        }
        assert_eq!(
            groups().map(|(_, bindings)| bindings.len()).sum::<usize>(),
            BINDINGS.len()
        );
    }

    #[test]
    fn keys_are_found_as_terminals_send_them() {
        let event = |code, modifiers| KeyEvent::new(code, modifiers);
        assert_eq!(
            lookup(&event(KeyCode::Char('G'), KeyModifiers::SHIFT)),
            Some(Command::LastImage)
        );
        assert_eq!(
            lookup(&event(KeyCode::Char('d'), KeyModifiers::CONTROL)),
            Some(Command::HalfPageDown)
        );
        assert_eq!(
            lookup(&event(KeyCode::BackTab, KeyModifiers::SHIFT)),
            Some(Command::PreviousTarget)
        );
        assert_eq!(lookup(&event(KeyCode::Char('j'), KeyModifiers::ALT)), None);
    }

    #[test]
    fn the_readme_shows_this_table() {
        let readme = include_str!("../README.md");
        let section = readme
            .split("<!-- keys:begin -->\n")
            .nth(1)
            .and_then(|rest| rest.split("<!-- keys:end -->").next());
        assert_eq!(section, Some(readme_table().as_str()));
    }
}
