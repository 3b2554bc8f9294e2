//! The keys, in one table: what is pressed, what it means, and how help says it.
//!
//! The help page, the footer and the README's table are made from [`BINDINGS`]; a [`Keymap`] is that
//! table with the user's own keys.

mod key;
mod map;
mod table;

use crossterm::event::{KeyCode, KeyEvent};

pub use key::Key;
pub use map::Keymap;
pub use table::{BINDINGS, MATRIX_BINDINGS, PAGE_BINDINGS, SUMMARY_BINDINGS};

/// What the user means. The names of the variants are those of `[keys]` in a configuration, so to
/// rename one is to break files.
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
    Reverse,
    Resume,
    Mark,
    MarkRange,
    Note,
    EditNote,
    Tags,
    NoVerdict,
    Undo,
    Redo,
    Advance,
    NextMistakes,
    SaveView,
    Export,
    Matrix,
    Summary,
    /// The class of this rank; 1 is the top prediction.
    TargetRank(u8),
    NextTarget,
    PreviousTarget,
    TrueClass,
    /// A page to choose from.
    Open(Page),
    Compare,
    PreviousLayer,
    NextLayer,
    Counterfactual,
    Signed,
    NextMarks,
    FixScale,
    NextView,
    MoreOpacity,
    LessOpacity,
    NextColormap,
    FullScreen,
    Closer,
    Farther,
    Pan(Pan),
    Save,
    CopyPath,
    Help,
    Redraw,
    Back,
    Suspend,
    Quit,
}

/// Where to look next in a picture of which a part is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pan {
    Left,
    Right,
    Up,
    Down,
}

/// A full page of rows to choose from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Page {
    Classes,
    Layers,
    Methods,
    Orders,
    Queues,
}

/// What the user means on such a page. Letters and digits that mean nothing else go into the
/// filter, where the page has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PageCommand {
    Down,
    Up,
    PageDown,
    PageUp,
    First,
    Last,
    Choose,
    Leave,
    Erase,
    /// Another class is subtracted from the target class.
    Subtract,
    /// Another class is shown beside the target class.
    Beside,
    /// Several layers are fused.
    Mark,
    NextFusion,
    AugSmooth,
    EigenSmooth,
    Probability,
    /// The order goes the other way.
    Reverse,
    /// A queue under a name is taken away.
    Remove,
}

/// What the user means in the confusion matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MatrixCommand {
    Left,
    Right,
    Up,
    Down,
    PageLeft,
    PageRight,
    PageUp,
    PageDown,
    FirstColumn,
    LastColumn,
    FirstRow,
    LastRow,
    /// The images of the selected cell or class.
    Choose,
    /// The next of the most frequent mistakes.
    NextWorst,
    PreviousWorst,
    /// Counts, shares of the row, shares of the column.
    NextFigures,
    NextOrder,
    Summary,
    Leave,
}

/// What the user means in the summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SummaryCommand {
    Down,
    Up,
    PageDown,
    PageUp,
    First,
    Last,
    /// The images of the selected row.
    Choose,
    /// From the figures to the classes, and back.
    OtherSide,
    ByRecall,
    ByPrecision,
    ByImages,
    ByNumber,
    Matrix,
    Leave,
}

impl Command {
    /// Its name in a configuration: "next-image", "open-classes", "target-rank-1".
    #[must_use]
    pub fn name(self) -> String {
        let mut name = String::new();
        for letter in format!("{self:?}").chars() {
            let is_start = letter.is_ascii_uppercase() || letter.is_ascii_digit();
            if is_start && !name.is_empty() {
                name.push('-');
            }
            if letter.is_ascii_alphanumeric() {
                name.push(letter.to_ascii_lowercase());
            }
        }
        name
    }
}

impl Page {
    pub const ALL: [Self; 5] = [
        Self::Classes,
        Self::Layers,
        Self::Methods,
        Self::Orders,
        Self::Queues,
    ];

    /// The group of its own keys.
    #[must_use]
    pub fn group(self) -> &'static str {
        match self {
            Self::Classes => CLASSES,
            Self::Layers => LAYERS,
            Self::Methods => METHODS,
            Self::Orders => ORDERS,
            Self::Queues => QUEUES,
        }
    }

    /// Whether letters filter the rows.
    #[must_use]
    pub fn has_filter(self) -> bool {
        matches!(self, Self::Classes | Self::Layers)
    }
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Binding<C = Command> {
    pub keys: &'static [Key],
    pub command: C,
    /// At most 40 columns.
    pub help: &'static str,
    /// A word for the footer; empty keeps it out.
    pub hint: &'static str,
    pub group: &'static str,
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

const fn bind<C: Copy>(
    keys: &'static [Key],
    command: C,
    help: &'static str,
    hint: &'static str,
    group: &'static str,
) -> Binding<C> {
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
const EXPLANATION: &str = "Explanation";
const PICTURE: &str = "Picture";
const PROGRAM: &str = "Program";
const REVIEW: &str = "Review";
const PAGES: &str = "On the pages of c, L, M, o and Q";
const CLASSES: &str = "On the page of classes";
const LAYERS: &str = "On the page of layers";
const METHODS: &str = "On the page of methods";
const ORDERS: &str = "On the page of orders";
const QUEUES: &str = "On the page of queues";
const MATRIX: &str = "In the confusion matrix, C";
const SUMMARY: &str = "In the summary, S";

/// What a key means on a page to choose from.
#[must_use]
pub fn lookup_on(page: Page, event: &KeyEvent) -> Option<PageCommand> {
    let pressed = Key::pressed(event)?;
    find(bindings_on(page), pressed)
}

/// What a key means in the confusion matrix.
#[must_use]
pub fn lookup_in_matrix(event: &KeyEvent) -> Option<MatrixCommand> {
    find(MATRIX_BINDINGS.iter(), Key::pressed(event)?)
}

/// What a key means in the summary.
#[must_use]
pub fn lookup_in_summary(event: &KeyEvent) -> Option<SummaryCommand> {
    find(SUMMARY_BINDINGS.iter(), Key::pressed(event)?)
}

/// The keys of a page: those of all pages, then its own.
pub fn bindings_on(page: Page) -> impl Iterator<Item = &'static Binding<PageCommand>> {
    PAGE_BINDINGS
        .iter()
        .filter(move |binding| [PAGES, page.group()].contains(&binding.group))
}

fn find<C: Copy + 'static>(
    mut bindings: impl Iterator<Item = &'static Binding<C>>,
    pressed: Key,
) -> Option<C> {
    bindings
        .find(|binding| binding.keys.contains(&pressed))
        .map(|binding| binding.command)
}

impl<C> Binding<C> {
    /// "j ↓".
    #[must_use]
    pub fn key_names(&self) -> String {
        key::names(self.keys)
    }

    /// The first of its keys, for a footer.
    #[must_use]
    pub fn first_key(&self) -> String {
        self.keys.first().map_or_else(String::new, |key| key.name())
    }
}

/// In the order of the tables.
const GROUPS: [&str; 14] = [
    IMAGES,
    CLASS,
    EXPLANATION,
    PICTURE,
    REVIEW,
    PROGRAM,
    PAGES,
    CLASSES,
    LAYERS,
    METHODS,
    ORDERS,
    QUEUES,
    MATRIX,
    SUMMARY,
];

fn rows_of<C>(
    table: &'static [Binding<C>],
    group: &'static str,
) -> impl Iterator<Item = (String, &'static str)> {
    table
        .iter()
        .filter(move |binding| binding.group == group)
        .map(|binding| (binding.key_names(), binding.help))
}

/// The README's tables.
#[must_use]
pub fn readme_table() -> String {
    format!(
        "| keys | |\n|---|---|\n{}\n| on the pages of `c`, `L`, `M`, `o` and `Q` | |\n|---|---|\n{}\n| in the confusion matrix, `C` | |\n|---|---|\n{}\n| in the summary, `S` | |\n|---|---|\n{}",
        readme_lines(BINDINGS, ""),
        [PAGES, CLASSES, LAYERS, METHODS, ORDERS, QUEUES]
            .map(|group| readme_lines(PAGE_BINDINGS, group))
            .concat(),
        readme_lines(MATRIX_BINDINGS, ""),
        readme_lines(SUMMARY_BINDINGS, ""),
    )
}

/// Lines of the README's table; of one group, with the page named, or of all.
fn readme_lines<C>(table: &[Binding<C>], group: &str) -> String {
    let page = match group {
        CLASSES => "classes: ",
        LAYERS => "layers: ",
        METHODS => "methods: ",
        ORDERS => "orders: ",
        QUEUES => "queues: ",
        _ => "",
    };
    let line = |binding: &Binding<C>| {
        let keys: Vec<String> = binding
            .keys
            .iter()
            .map(|key| format!("`{}`", key.name()))
            .collect();
        format!("| {} | {page}{} |\n", keys.join(" "), binding.help)
    };
    let lines = table
        .iter()
        .filter(|binding| group.is_empty() || binding.group == group);
    lines.map(line).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use crossterm::event::KeyModifiers;

    use super::*;

    fn assert_unique<'a, C: 'a>(bindings: impl Iterator<Item = &'a Binding<C>>) {
        let keys: Vec<String> = bindings
            .flat_map(|binding| binding.keys)
            .map(|key| key.name())
            .collect();
        let unique: HashSet<&String> = keys.iter().collect();
        assert_eq!(unique.len(), keys.len(), "{keys:?}");
    }

    #[test]
    fn no_key_means_two_things_and_no_command_stands_twice() {
        assert_unique(BINDINGS.iter());
        let commands: HashSet<Command> = BINDINGS.iter().map(|binding| binding.command).collect();
        assert_eq!(commands.len(), BINDINGS.len());
        for page in Page::ALL {
            assert_unique(bindings_on(page));
        }
        assert_unique(MATRIX_BINDINGS.iter());
        assert_unique(SUMMARY_BINDINGS.iter());
    }

    #[test]
    fn every_help_text_fits_its_column_and_every_binding_is_in_a_group() {
        let rows: Vec<_> = Keymap::default()
            .groups()
            .into_iter()
            .flat_map(|(_, rows)| rows)
            .collect();
        for (keys, help) in &rows {
            assert!((1..=40).contains(&help.chars().count()), "{help}");
            assert!(!keys.is_empty(), "{help}");
        }
        let pages = PAGE_BINDINGS.len() + MATRIX_BINDINGS.len() + SUMMARY_BINDINGS.len();
        assert_eq!(rows.len(), BINDINGS.len() + pages);
    }

    #[test]
    fn letters_filter_a_page_unless_the_table_says_otherwise() {
        let letter = |letter| KeyEvent::new(KeyCode::Char(letter), KeyModifiers::NONE);
        for key in "jkaepcLMq0123456789".chars() {
            for page in Page::ALL.into_iter().filter(|page| page.has_filter()) {
                assert_eq!(lookup_on(page, &letter(key)), None, "{key} on {page:?}");
            }
        }
        assert_eq!(
            lookup_on(Page::Methods, &letter('j')),
            Some(PageCommand::Down)
        );
    }

    #[test]
    fn keys_are_found_as_terminals_send_them() {
        let keymap = Keymap::default();
        let lookup = |event: &KeyEvent| keymap.lookup(event);
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
        crate::tests::assert_readme_has("keys", &readme_table());
    }
}
