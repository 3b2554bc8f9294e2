use super::*;
use crate::geometry::CellSize;
use crate::graphics::probe::read;

const KITTY_OK: &str = "\x1b_Gi=31;OK\x1b\\\x1b_Gi=32;OK\x1b\\";

/// The answers of a terminal of this name, with these device attributes.
fn terminal(name: &str, kitty: bool, attributes: &str) -> String {
    let name = if name.is_empty() {
        String::new()
    } else {
        format!("\x1bP>|{name}\x1b\\")
    };
    let kitty = if kitty { KITTY_OK } else { "" };
    format!("{name}{kitty}\x1b[?{attributes}c")
}

fn probed(reply: &str) -> Probed {
    Probed {
        answers: read(reply.as_bytes()).answers,
        ..Probed::default()
    }
}

/// In tmux 3.4, inside the terminal of this reply; "": it does not answer.
fn in_a_tmux(attributes: &str, outside: &str, passthrough: Passthrough) -> Probed {
    Probed {
        outside: Some(read(outside.as_bytes()).answers),
        passthrough,
        ..probed(&terminal("tmux 3.4", false, attributes))
    }
}

fn decided(probed: &Probed, environment: &Environment, choice: Choice) -> Capabilities {
    let window = WindowSize {
        cells: CellSize::new(120, 36),
        pixels: PixelSize::new(0, 0),
    };
    decide(probed, environment, window, choice)
}

/// What is decided where nothing is asked for and no variable is set.
fn usual(probed: &Probed) -> Capabilities {
    decided(probed, &Environment::default(), Choice::Auto)
}

fn of_reply(reply: &str) -> Capabilities {
    usual(&probed(reply))
}

#[test]
fn each_terminal_gets_the_protocol_that_it_shows() {
    let (layered, inline) = (Protocol::Layered, Protocol::Iterm2);
    let (sixel, blocks) = (Protocol::Sixel, Protocol::HalfBlocks);
    for (name, kitty, attributes, protocol) in [
        ("kitty(0.48.0)", true, "62;52;", layered),
        ("kitty(0.26.5)", true, "62;", layered),
        ("kitty(0.19.3)", true, "62;", blocks),
        // A liar: the name of a terminal, but not its answers.
        ("kitty(0.48.0)", false, "62;", blocks),
        ("ghostty 1.3.1", true, "62;22", layered),
        ("ghostty 0.9", true, "62;22", blocks),
        (
            "WezTerm 20240203-110809-5046fc22",
            true,
            "65;4;6;18;22",
            layered,
        ),
        (
            "WezTerm 20220101-133340-7edc5b5a",
            true,
            "65;4;6;18;22",
            inline,
        ),
        // Its kitty protocol is switched off.
        (
            "WezTerm 20240203-110809-5046fc22",
            false,
            "65;4;6;18;22",
            inline,
        ),
        ("Konsole 25.04.2", true, "62;1;4", layered),
        ("Konsole 22.12.3", false, "62;1;4", inline),
        ("Konsole 21.08.0", false, "62;1", blocks),
        ("iTerm2 3.5.10", false, "64;1;2;4;6;17;18;21;22", inline),
        // It answers OK, but its layers are not seen yet.
        ("iTerm2 3.6.0", true, "64;1;2;4;6;17;18;21;22", inline),
        ("mintty 3.7.0", false, "64;1;2;4", inline),
        ("xterm.js(6.0.0)", false, "62;4;9;22", inline),
        ("xterm.js(6.1.0)", true, "62;4;9;22", inline),
        ("xterm.js(6.0.0)", false, "1;2", blocks),
        ("foot(1.13.1)", false, "62;4;22", sixel),
        ("XTerm(379)", false, "63;1;2;4;6;9;15;16;22;28", sixel),
        (
            "XTerm(379)",
            false,
            "64;1;2;6;9;15;16;17;18;21;22;28",
            blocks,
        ),
        ("mlterm(3.9.3)", false, "63;1;2;3;4;7;29", sixel),
        ("", false, "63;1;2;3;4;6;7;15;18;22;29", sixel),
        ("contour 0.4.3", false, "65;1;2;4;6;8", sixel),
        ("", false, "61;4;6;7;14;21;22;23;24;28;32;42", sixel),
        ("", false, "61;6;7;14;21;22;23;24;28;32;42", blocks),
        ("Zellij(0.45.0)", true, "62;4", sixel),
        ("Zellij(0.45.0)", true, "62", blocks),
        // Nobody knows it, so its pictures may not stack.
        ("newterm 1.0", true, "62", blocks),
        ("newterm 1.0", true, "62;4", sixel),
        ("", false, "6", blocks),
    ] {
        let found = of_reply(&terminal(name, kitty, attributes));
        assert_eq!(found.protocol, protocol, "{name}: {}", found.reason);
    }
}

#[test]
fn a_terminal_that_is_silent_gets_half_blocks_whatever_the_environment_says() {
    let stale = Environment {
        term: "xterm-kitty".to_owned(),
        term_program: "iTerm.app".to_owned(),
        ..Environment::default()
    };
    let found = decided(&probed(""), &stale, Choice::Auto);
    assert_eq!(found.protocol, Protocol::HalfBlocks);
    assert_eq!(found.reason, "the terminal did not answer in time");
}

#[test]
fn a_variable_that_an_answer_agrees_with_is_believed() {
    let editor = Environment {
        term_program: "vscode".to_owned(),
        ..Environment::default()
    };
    let protocol = |reply: &str| decided(&probed(reply), &editor, Choice::Auto).protocol;
    assert_eq!(protocol("\x1b[?62;4;9;22c"), Protocol::Iterm2);
    assert_eq!(protocol("\x1b[?1;2c"), Protocol::HalfBlocks);
}

#[test]
fn a_variable_of_tmux_is_not_believed_where_the_terminal_names_itself() {
    let stale = Environment {
        tmux: true,
        ..Environment::default()
    };
    let kitty = probed(&terminal("kitty(0.41.1)", true, "62;"));
    let found = decided(&kitty, &stale, Choice::Auto);
    assert_eq!((found.protocol, found.tmux), (Protocol::Layered, false));
}

#[test]
fn in_tmux_the_terminal_outside_decides() {
    let kitty = |version: &str| terminal(&format!("kitty({version})"), true, "62;");
    let placeholder = |layers| Protocol::Placeholder { layers };
    let foot = terminal("foot(1.13.1)", false, "62;4;22");
    for (attributes, outside, protocol) in [
        ("1;2", kitty("0.41.1"), placeholder(true)),
        ("1;2", kitty("0.31.0"), placeholder(true)),
        ("1;2", kitty("0.28.1"), placeholder(false)),
        ("1;2", kitty("0.26.5"), Protocol::HalfBlocks),
        (
            "1;2",
            terminal("ghostty 1.3.1", true, "62;22"),
            Protocol::HalfBlocks,
        ),
        ("1;2;4", foot.clone(), Protocol::Sixel),
        ("1;2", foot, Protocol::HalfBlocks),
        // tmux says Sixel, but would have to show it to a terminal that does not.
        (
            "1;2;4",
            terminal("kitty(0.26.5)", true, "62;"),
            Protocol::HalfBlocks,
        ),
        ("1;2;4", String::new(), Protocol::Sixel),
        ("1;2", String::new(), Protocol::HalfBlocks),
        (
            "1;2",
            terminal("tmux 3.4", false, "1;2"),
            Protocol::HalfBlocks,
        ),
    ] {
        let probed = in_a_tmux(attributes, &outside, Passthrough::On);
        assert_eq!(usual(&probed).protocol, protocol, "{outside:?}");
    }
}

#[test]
fn where_tmux_passes_nothing_on_the_reason_says_what_to_set() {
    for (passthrough, words) in [
        (Passthrough::Elsewhere, "on the machine where it runs"),
        (Passthrough::Refused("no server".to_owned()), "(no server)"),
    ] {
        let found = usual(&in_a_tmux("1;2", "", passthrough));
        assert!(found.reason.contains(words), "{}", found.reason);
        assert!(
            found.reason.contains("set -g allow-passthrough on"),
            "{}",
            found.reason
        );
    }
}

#[test]
fn the_users_choice_wins_and_layers_in_tmux_are_placeholders() {
    let plain = probed("\x1b[?64;4c");
    let with =
        |probed: &Probed, protocol| decided(probed, &Environment::default(), Choice::Use(protocol));
    let found = with(&plain, Protocol::HalfBlocks);
    assert_eq!(
        (found.protocol, found.reason.as_str()),
        (Protocol::HalfBlocks, "asked for")
    );
    assert_eq!(with(&plain, Protocol::Layered).protocol, Protocol::Layered);
    let kitty = terminal("kitty(0.41.1)", true, "62;");
    let inside = in_a_tmux("1;2", &kitty, Passthrough::On);
    let found = with(&inside, Protocol::Layered);
    assert_eq!(found.protocol, Protocol::Placeholder { layers: true });
}

#[test]
fn colors_of_a_sixel_picture_are_as_many_as_the_terminal_has() {
    let registers = |reply: &str| of_reply(reply).registers;
    assert_eq!(registers("\x1b[?1;0;16S\x1b[?63;4c"), 16);
    assert_eq!(registers("\x1b[?1;0;1024S\x1b[?63;4c"), 256);
    assert_eq!(registers("\x1b[?1;3S\x1b[?63;4c"), 256);
    assert_eq!(registers("\x1bP>|XTerm(300)\x1b\\\x1b[?63;4c"), 16);
}

#[test]
fn the_cell_size_is_the_most_trustworthy_one_that_can_be_true() {
    let window = WindowSize {
        cells: CellSize::new(100, 40),
        pixels: PixelSize::new(800, 640),
    };
    let size =
        |reply: &[u8], pixels| cell_size(&read(reply).answers, WindowSize { pixels, ..window });
    assert_eq!(size(b"\x1b[6;18;9t", window.pixels), PixelSize::new(9, 18));
    assert_eq!(size(b"\x1b[6;0;0t", window.pixels), PixelSize::new(8, 16));
    let nothing = PixelSize::new(0, 0);
    assert_eq!(size(b"\x1b[4;800;1000t", nothing), PixelSize::new(10, 20));
    assert_eq!(size(b"\x1b[4;720;900t", nothing), PixelSize::new(9, 18));
    assert_eq!(size(b"", nothing), USUAL_CELL);
}

#[test]
fn sextants_are_used_where_the_terminal_draws_them() {
    let glyphs = |reply: &str, term: &str| {
        let environment = Environment {
            term: term.to_owned(),
            ..Environment::default()
        };
        decided(&probed(reply), &environment, Choice::Auto).glyphs
    };
    let foot = terminal("foot(1.13.1)", false, "62;4;22");
    assert_eq!(glyphs(&foot, "foot"), Glyphs::Sextants);
    let xterm = terminal("XTerm(398)", false, "64;1;2");
    assert_eq!(glyphs(&xterm, "xterm-256color"), Glyphs::Quadrants);
    assert_eq!(glyphs("\x1b[?6c", "alacritty"), Glyphs::Quadrants);
    assert_eq!(glyphs("\x1b[?6c", "linux"), Glyphs::Halves);
    let kitty = terminal("kitty(0.26.5)", true, "62;");
    let inside = in_a_tmux("1;2", &kitty, Passthrough::On);
    assert_eq!(usual(&inside).glyphs, Glyphs::Quadrants);
}

#[test]
fn without_colors_half_blocks_would_be_nothing() {
    let plain = Environment {
        no_color: true,
        ..Environment::default()
    };
    let found = decided(&probed("\x1b[?6c"), &plain, Choice::Auto);
    assert_eq!(found.protocol, Protocol::Text);
    assert!(
        found.reason.ends_with("NO_COLOR is set"),
        "{}",
        found.reason
    );
    let asked = Choice::Use(Protocol::HalfBlocks);
    assert_eq!(
        decided(&probed("\x1b[?6c"), &plain, asked).protocol,
        Protocol::HalfBlocks
    );
}
