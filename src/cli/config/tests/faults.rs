//! What is said where a file is wrong: one sentence with the line, the column, and what to do.

use super::settings;

fn fault(text: &str, arguments: &str) -> String {
    let error = settings(text, arguments).unwrap_err();
    assert_eq!(error.trim_end().lines().count(), 1, "{error}");
    error
}

/// A file, and what is said of it.
const WRONG: [(&str, &str); 31] = [
    (
        "\ncachemb = 3\n",
        "config.toml, line 2, column 1: there is no key `cachemb`; did you mean `cache-mb`?",
    ),
    (
        "[explian]\ntop = 1\n",
        "line 1, column 2: there is no table [explian]; did you mean `explain`?",
    ),
    (
        "[explain]\ntopp = 1\n",
        "line 2, column 1: there is no key `topp` in [explain]; did you mean `top`?",
    ),
    (
        "\n  opacity = 2\n",
        "line 2, column 13: opacity: expected a number from 0 to 1",
    ),
    ("bgr = 1\n", "line 1, column 7: bgr: expected true or false"),
    (
        "colormap = true\n",
        "column 12: colormap: expected MAP, not true or false",
    ),
    (
        "colormap = [\"jet\"]\n",
        "colormap: expected one value (MAP), not a list",
    ),
    ("fuse = \"meen\"\n", "column 8: fuse: expected one of "),
    ("mean = [1, 2]\n", "mean: expected three numbers"),
    (
        "labels = 1979-05-27\n",
        "labels: a datetime means nothing here",
    ),
    ("opacity = \n", "line 1, column 11: not TOML: "),
    (
        "opacity = 1\nopacity = 1\n",
        "line 2, column 1: not TOML: duplicate key",
    ),
    ("opacity: 1\n", "line 1, column 10: not TOML: "),
    (
        "out = \"pictures\"\n",
        "column 1: `out` does not mean the same for every command; put it into a table, one of [open], [explain], ",
    ),
    (
        "resize = 2\nsquash = 3\n",
        "line 2, column 1: `squash` does not go with `resize`",
    ),
    (
        "[model.\"a*\"]\nresize = 1\n",
        "`model` is a flag; what counts for some models stands in [for-model.\"PATTERN\"]",
    ),
    (
        "[for-model.\"a*\"]\nresise = 1\n",
        "line 2, column 1: there is no key `resise` in [for-model]; did you mean `resize`?",
    ),
    (
        "[for-model]\nresize = 1\n",
        "`resize` belongs into a table with a pattern",
    ),
    (
        "[for-model.\"a*\"]\ncache-mb = 1\n",
        "there is no key `cache-mb` in [for-model]",
    ),
    ("[for-model.\"a[\"]\n", "is not a pattern"),
    (
        "[keys]\nnextimage = \"e\"\n",
        "line 2, column 1: there is no command `nextimage`; did you mean `next-image`?",
    ),
    (
        "[keys]\nnext-image = [\"n\"]\n",
        "line 2, column 15: the key n is both note (by default) and next-image",
    ),
    (
        "[keys]\nnext-image = [\"X\"]\nlast-image = \"X\"\n",
        "line 3, column 14: the key X is both next-image and last-image",
    ),
    ("[keys]\nquit = []\n", "line 2, column 8: quit needs a key"),
    (
        "[keys]\nhelp = [\"f1\", 3]\n",
        "line 2, column 15: expected keys in quotes",
    ),
    (
        "[keys]\nhelp = \"hyper-x\"\n",
        "there is no key \"hyper-x\"",
    ),
    (
        "[keys]\nnext-image = [\"down\", \"w\"]\n",
        "line 2, column 23: the key w is the verdict \"wrong\" and the command next-image",
    ),
    (
        "verdict = [\"j=junk\"]\n",
        "line 1, column 1: the key j is the verdict \"junk\" and the command next-image",
    ),
    (
        "[colors]\naccent = \"reddish\"\n",
        "line 2, column 10: accent: \"reddish\" is no color",
    ),
    ("[colors]\nright = true\n", "right: expected a color"),
    (
        "[colors]\nrigth = \"red\"\n",
        "no color for `rigth`; did you mean `right`?",
    ),
];

#[test]
fn what_is_wrong_is_said_with_its_place_and_what_was_meant() {
    for (text, sentence) in WRONG {
        let error = fault(text, "");
        assert!(error.contains(sentence), "{text}{error}");
    }
}

#[test]
fn what_a_file_says_reaches_no_terminal_as_a_command() {
    let error = fault("device = \"\\u001b[31m\"\n", "");
    assert!(!error.contains('\u{1b}'), "{error:?}");
}

#[test]
fn a_verdict_on_the_line_with_the_key_of_a_command_is_refused() {
    let error = fault("verdict = [\"b=blurred\"]\n", "--verdict j=junk");
    assert!(
        error.starts_with("error: the key j is the verdict"),
        "{error}"
    );
}
