use super::*;
use crate::cli::arguments::command;
use crate::geometry::CellSize;
use crate::graphics::decide::decide;
use crate::graphics::probe::{Probed, WindowSize, read};

fn surroundings(variables: &[(&str, &str)]) -> Surroundings {
    Surroundings::from_lookup(|name| {
        let found = variables.iter().find(|(variable, _)| *variable == name);
        found.map(|(_, value)| (*value).to_owned())
    })
}

/// What came of asking a terminal of these answers.
fn asked(probed: Probed) -> Asked {
    let window = WindowSize {
        cells: CellSize::new(120, 36),
        ..WindowSize::default()
    };
    let capabilities = decide(&probed, &Environment::default(), window, Choice::Auto);
    Asked {
        probed,
        window,
        capabilities,
    }
}

fn answering(reply: &str) -> Probed {
    Probed {
        answers: read(reply.as_bytes()).answers,
        round_trip: Some(std::time::Duration::from_millis(12)),
        ..Probed::default()
    }
}

fn report(asked: Result<Asked, String>) -> Report {
    let settings = DoctorSettings {
        json: true,
        graphics: Choice::Auto,
        environment: Environment::default(),
        hub: Hub::default(),
        surroundings: surroundings(&[("HOME", "/h"), ("TERM", "xterm")]),
        config: Config::read(None, command(), |name| {
            (name == "HOME").then(|| "/h".to_owned())
        })
        .unwrap(),
    };
    examine(&settings, asked)
}

#[test]
fn what_the_terminal_answered_is_told_with_the_choice_and_the_reason() {
    let probed = answering("\x1bP>|foot(1.13.1)\x1b\\\x1b[?62;4;22c");
    let report = report(Ok(asked(probed)));
    assert_eq!(report.terminal.graphics, Some("sixel"));
    assert_eq!(report.terminal.name.as_deref(), Some("foot(1.13.1)"));
    let text = words::text(&report);
    for part in [
        "foot(1.13.1) (it names itself)",
        "Sixel (--graphics sixel)",
        "62;4;22   [ESC [c]",
        "no answer   [ESC [16t]",
        "after 12 ms",
        "120x36 cells",
        "/h/.config/gradcam/config.toml: no such file; `gradcam config --print` prints one",
        "Everything that is needed works.",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
}

#[test]
fn a_tmux_that_passes_nothing_on_comes_with_what_to_set() {
    let probed = Probed {
        outside: Some(read(b"").answers),
        passthrough: Passthrough::Elsewhere,
        ..answering("\x1bP>|tmux 3.4\x1b\\\x1b[?1;2c")
    };
    let report = report(Ok(asked(probed)));
    let words = "set -g allow-passthrough on";
    assert!(report.tmux.to_do.as_ref().unwrap().contains(words));
    assert!(report.hints.iter().any(|hint| hint.contains(words)));
    assert!(report.problems.is_empty());
}

#[test]
fn without_a_terminal_the_rest_is_told() {
    let report = report(Err("the output does not go to a terminal".to_owned()));
    let text = words::text(&report);
    assert!(text.contains("was not asked               the output does not go to a terminal"));
    assert!(text.contains("libtorch"), "{text}");
}

#[test]
fn what_is_needed_and_broken_is_a_problem() {
    let mut report = report(Err(String::new()));
    assert!(report.problems.is_empty());
    report.libtorch.failure = Some("no memory".to_owned());
    report.judge();
    assert_eq!(report.problems, ["libtorch does not compute: no memory"]);
    assert!(!words::text(&report).contains("Everything"));
}

#[test]
fn values_of_variables_are_harmless_and_some_are_not_told() {
    let found = surroundings(&[
        ("TERM", "x\x1b[2J"),
        ("SSH_CONNECTION", "10.0.0.1 22 10.0.0.2 22"),
        ("TMUX", ""),
        ("XDG_STATE_HOME", "relative"),
        ("HOME", "/h"),
    ]);
    assert_eq!(found.variables["TERM"].as_deref(), Some("x\\u{1b}[2J"));
    assert_eq!(found.variables["SSH_CONNECTION"], None);
    assert!(!found.variables.contains_key("TMUX"));
    assert_eq!(found.state, Some(PathBuf::from("/h/.local/state")));
}

#[test]
fn a_cache_is_counted_without_following_links() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("blobs")).unwrap();
    std::fs::write(folder.path().join("blobs/a"), [0; 1000]).unwrap();
    std::os::unix::fs::symlink("blobs/a", folder.path().join("b")).unwrap();
    let found = cache("a cache", Some(folder.path()), None);
    assert_eq!((found.files, found.bytes, found.exists), (1, 1000, true));
    assert!(!cache("none", Some(&folder.path().join("c")), None).exists);
}
