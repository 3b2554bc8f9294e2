//! The table of keys. One line is one key: what is pressed, the command, the help, the word in the
//! footer, the group.

use crossterm::event::KeyCode;

use super::{
    Binding, CLASS, CLASSES, Command, EXPLANATION, IMAGES, LAYERS, METHODS, PAGES, PICTURE,
    PROGRAM, Page, PageCommand, Pan, bind, ctrl, key, letter,
};

/// Every key.
#[rustfmt::skip]
pub const BINDINGS: &[Binding] = &[
    bind(&[letter('j'), key(KeyCode::Down)],  Command::NextImage,           "next image",                              "next",     IMAGES),
    bind(&[letter('k'), key(KeyCode::Up)],    Command::PreviousImage,       "previous image",                          "previous", IMAGES),
    bind(&[letter('g'), key(KeyCode::Home)],  Command::FirstImage,          "first image",                             "",         IMAGES),
    bind(&[letter('G'), key(KeyCode::End)],   Command::LastImage,           "last image",                              "",         IMAGES),
    bind(&[ctrl('d')],                        Command::HalfPageDown,        "half a page down",                        "",         IMAGES),
    bind(&[ctrl('u')],                        Command::HalfPageUp,          "half a page up",                          "",         IMAGES),
    bind(&[key(KeyCode::PageDown)],           Command::PageDown,            "a page down",                             "",         IMAGES),
    bind(&[key(KeyCode::PageUp)],             Command::PageUp,              "a page up",                               "",         IMAGES),
    bind(&[letter('/')],                      Command::Filter,              "filter by name; Enter keeps, Esc clears", "filter",   IMAGES),
    bind(&[letter('o')],                      Command::NextOrder,           "order: name, reverse, class, doubtful",   "",         IMAGES),
    bind(&[letter('1')],                      Command::TargetRank(1),       "explain the top prediction",              "class",    CLASS),
    bind(&[letter('2')],                      Command::TargetRank(2),       "explain the second",                      "",         CLASS),
    bind(&[letter('3')],                      Command::TargetRank(3),       "explain the third",                       "",         CLASS),
    bind(&[letter('4')],                      Command::TargetRank(4),       "explain the fourth",                      "",         CLASS),
    bind(&[letter('5')],                      Command::TargetRank(5),       "explain the fifth",                       "",         CLASS),
    bind(&[key(KeyCode::Tab)],                Command::NextTarget,          "next class",                              "",         CLASS),
    bind(&[key(KeyCode::BackTab)],            Command::PreviousTarget,      "previous class",                          "",         CLASS),
    bind(&[letter('T')],                      Command::TrueClass,           "the true class, where it is known",       "",         CLASS),
    bind(&[letter('c')],                      Command::Open(Page::Classes), "choose among all classes",                "classes",  CLASS),
    bind(&[letter('=')],                      Command::Compare,             "two classes side by side on one scale",   "compare",  CLASS),
    bind(&[letter('x')],                      Command::Counterfactual,      "what speaks against the class, and back", "",         CLASS),
    bind(&[letter('[')],                      Command::PreviousLayer,       "the layer before",                        "",         EXPLANATION),
    bind(&[letter(']')],                      Command::NextLayer,           "the layer after",                         "",         EXPLANATION),
    bind(&[letter('L')],                      Command::Open(Page::Layers),  "choose among all layers, fuse several",   "layers",   EXPLANATION),
    bind(&[letter('M')],                      Command::Open(Page::Methods), "choose the method, smoothing, score",     "methods",  EXPLANATION),
    bind(&[letter('v')],                      Command::NextView,            "overlay, image, heatmap, side by side",   "view",     PICTURE),
    bind(&[letter('+')],                      Command::MoreOpacity,         "heatmap stronger",                        "",         PICTURE),
    bind(&[letter('-')],                      Command::LessOpacity,         "heatmap weaker",                          "",         PICTURE),
    bind(&[letter('m')],                      Command::NextColormap,        "next colormap",                           "colors",   PICTURE),
    bind(&[letter('d')],                      Command::Signed,              "both signs: red for, blue against",       "",         PICTURE),
    bind(&[letter('t')],                      Command::NextMarks,           "contour and box at 15% of the maximum",   "",         PICTURE),
    bind(&[letter('f')],                      Command::FixScale,            "one color scale for all that follows",    "",         PICTURE),
    bind(&[letter('z')],                      Command::FullScreen,          "picture on the full screen and back",     "zoom",     PICTURE),
    bind(&[letter('>')],                      Command::Closer,              "a part of the picture, twice as large",   "",         PICTURE),
    bind(&[letter('<')],                      Command::Farther,             "half as large; Esc: all of it",           "",         PICTURE),
    bind(&[letter('h'), key(KeyCode::Left)],  Command::Pan(Pan::Left),      "the part to the left",                    "",         PICTURE),
    bind(&[letter('l'), key(KeyCode::Right)], Command::Pan(Pan::Right),     "the part to the right",                   "",         PICTURE),
    bind(&[letter('K')],                      Command::Pan(Pan::Up),        "the part above",                          "",         PICTURE),
    bind(&[letter('J')],                      Command::Pan(Pan::Down),      "the part below",                          "",         PICTURE),
    bind(&[letter('s')],                      Command::Save,                "save the picture as PNG",                 "save",     PICTURE),
    bind(&[letter('y')],                      Command::CopyPath,            "copy the path of the image",              "",         PROGRAM),
    bind(&[letter('?'), key(KeyCode::F(1))],  Command::Help,                "this help",                               "help",     PROGRAM),
    bind(&[ctrl('l')],                        Command::Redraw,              "draw everything again",                   "",         PROGRAM),
    bind(&[key(KeyCode::Esc)],                Command::Back,                "stop slow work; back; clear the filter",  "",         PROGRAM),
    bind(&[ctrl('z')],                        Command::Suspend,             "suspend; fg comes back",                  "",         PROGRAM),
    bind(&[letter('q'), ctrl('c')],           Command::Quit,                "quit",                                    "quit",     PROGRAM),
];

/// Every key of the pages to choose from.
#[rustfmt::skip]
pub const PAGE_BINDINGS: &[Binding<PageCommand>] = &[
    bind(&[key(KeyCode::Enter)],               PageCommand::Choose,      "choose; the mouse: click twice",          "choose",   PAGES),
    bind(&[key(KeyCode::Esc)],                 PageCommand::Leave,       "back to the picture",                     "back",     PAGES),
    bind(&[key(KeyCode::Down), ctrl('n')],     PageCommand::Down,        "next row",                                "",         PAGES),
    bind(&[key(KeyCode::Up), ctrl('p')],       PageCommand::Up,          "previous row",                            "",         PAGES),
    bind(&[key(KeyCode::PageDown), ctrl('d')], PageCommand::PageDown,    "a page down",                             "",         PAGES),
    bind(&[key(KeyCode::PageUp), ctrl('u')],   PageCommand::PageUp,      "a page up",                               "",         PAGES),
    bind(&[key(KeyCode::Home)],                PageCommand::First,       "first row",                               "",         PAGES),
    bind(&[key(KeyCode::End)],                 PageCommand::Last,        "last row",                                "",         PAGES),
    bind(&[key(KeyCode::Backspace)],           PageCommand::Erase,       "a letter of the filter less",             "",         PAGES),
    bind(&[key(KeyCode::Tab)],                 PageCommand::Subtract,    "explain the target rather than this one", "subtract", CLASSES),
    bind(&[letter('=')],                       PageCommand::Beside,      "show this one beside the target",         "beside",   CLASSES),
    bind(&[letter(' ')],                       PageCommand::Mark,        "mark; all marked layers are fused",       "mark",     LAYERS),
    bind(&[key(KeyCode::Tab)],                 PageCommand::NextFusion,  "fuse by mean, maximum or product",        "fusion",   LAYERS),
    bind(&[letter('j')],                       PageCommand::Down,        "next row",                                "",         METHODS),
    bind(&[letter('k')],                       PageCommand::Up,          "previous row",                            "",         METHODS),
    bind(&[letter('a')],                       PageCommand::AugSmooth,   "aug_smooth: mean over six variants",      "aug",      METHODS),
    bind(&[letter('e')],                       PageCommand::EigenSmooth, "eigen_smooth: first principal component", "eigen",    METHODS),
    bind(&[letter('p')],                       PageCommand::Probability, "score: the logit or the probability",     "score",    METHODS),
];
