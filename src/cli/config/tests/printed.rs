//! `gradcam config`: what it says is set, and the file that it prints.

use super::*;
use crate::cli::arguments::command;

const TEXT: &str = "\
cache-mb = 7
limit = 3
mean = [0.5, # of all birds
  0.5, 0.5]

[explain]
out = 'pictures'
opacity = 0.75

[for-model.'say \"birds\"*']
resize = 288

[keys]
next-image = [\"ctrl-n\", \"down\"]

[colors]
wrong = \"#cc0000\"
";

fn config(text: &str) -> Config {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    std::fs::write(&file, text).unwrap();
    Config::read(Some(&file), command(), |_| None).unwrap()
}

fn printed(config: Config, print: bool) -> String {
    let settings = ConfigSettings {
        print,
        config,
        command: command(),
    };
    let mut out = Vec::new();
    run(&settings, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// What is set: everything but where it stands.
fn set(config: &Config) -> Vec<String> {
    let entries = &config.file.as_ref().unwrap().entries;
    let mut set: Vec<String> = entries
        .iter()
        .map(|entry| format!("{:?} {} {:?}", entry.table, entry.key, entry.value))
        .collect();
    set.sort();
    set
}

#[test]
fn the_printed_file_gives_the_same_settings_and_has_every_key() {
    let before = config(TEXT);
    let text = printed(config(TEXT), true);
    let after = config(&text);
    assert_eq!(set(&before), set(&after), "{text}");
    assert_eq!(before.colors(), after.colors());
    let definition = Definition::new(command());
    for (key, _) in definition.keys() {
        let stands = |line: &str| {
            let line = line.strip_prefix("# ").unwrap_or(line);
            line.split_once(" = ").is_some_and(|(own, _)| own == key)
        };
        assert!(text.lines().any(stands), "{key}");
    }
    let nothing = config(&printed(Config::default(), true));
    assert_eq!(set(&nothing), [] as [String; 0]);
}

/// The file with every key of some tables set to its default.
fn uncommented(text: &str, from: &str) -> String {
    let (before, after) = text.split_once(from).unwrap();
    let lines = after.lines().map(|line| match line.strip_prefix("# ") {
        Some(setting) if setting.contains(" = ") => setting,
        _ => line,
    });
    let after = lines.collect::<Vec<_>>().join("\n");
    format!("{before}{from}{after}")
}

#[test]
fn printed_defaults_are_what_is_in_force_without_them() {
    let text = printed(Config::default(), true);
    let all = config(&uncommented(&text, "\n[keys]\n"));
    assert!(set(&all).len() > keymap::BINDINGS.len());
    for binding in keymap::BINDINGS {
        assert_eq!(all.keymap().keys(binding.command), binding.keys);
    }
    assert_eq!(all.colors(), Colors::default());
    for line in [
        "# cache-mb = 1024",
        "# opacity = 0.5",
        "# graphics = \"auto\"",
        "# bgr = false",
        "# layer = [\"NAME\"]",
    ] {
        assert!(
            text.lines().any(|own| own == line),
            "{line} is not in\n{text}"
        );
    }
}

#[test]
fn the_summary_says_where_each_setting_stands() {
    let text = printed(config(TEXT), false);
    for part in [
        "config.toml: read\nsets\n",
        "  cache-mb = 7  (line 1)\n",
        "  mean = [0.5, 0.5, 0.5]  (line 3)\n",
        "  [explain] out = \"pictures\"  (line 7)\n",
        "  [for-model.\"say \\\"birds\\\"*\"] resize = 288  (line 11)\n",
        "  [keys] next-image = [\"ctrl-n\", \"down\"]  (line 14)\n",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert_eq!(
        printed(Config::default(), false),
        "no configuration is read\n"
    );
    let looked = Config::read(None, command(), |name| {
        (name == "HOME").then(|| "/nowhere".to_owned())
    });
    let text = printed(looked.unwrap(), false);
    assert!(text.contains("/nowhere/.config/gradcam/config.toml: no such file"));
}

#[test]
fn keys_that_everybody_wants_at_the_top_may_stand_there() {
    let definition = Definition::new(command());
    for key in [
        "model",
        "device",
        "precision",
        "offline",
        "labels",
        "resize",
        "crop",
        "squash",
        "mean",
        "std",
        "interpolation",
        "bgr",
        "fuse",
        "aug-smooth",
        "eigen-smooth",
        "colormap",
        "opacity",
        "signed",
        "scale",
        "contour",
        "box",
        "truth",
        "review",
        "verdict",
        "cache-mb",
        "graphics",
        "hidden",
        "no-recursive",
        "no-scoring",
        "log",
        "verbose",
    ] {
        let found = definition.everywhere(key);
        assert!(
            !found.is_empty() && definition::mean_the_same(&found),
            "{key}"
        );
    }
}
