//! What a file does to the command line, and what is said where it is wrong.

mod faults;
mod printed;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::style::Color;

use super::*;
use crate::cli::{Classes, ExplainSettings, OpenSettings, Settings, read};
use crate::explain::methods::MethodId;
use crate::graphics::{Choice, Protocol};
use crate::keymap;
use crate::model::recipe::Resize;

/// The settings with a file of this text and these arguments.
fn settings(text: &str, arguments: &str) -> Result<Settings, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    std::fs::write(&file, text).unwrap();
    let mut words = vec![OsString::from("gradcam"), "--config".into(), file.into()];
    words.extend(arguments.split_whitespace().map(OsString::from));
    read(words, |name| (name == "HOME").then(|| "/home".to_owned()))
        .map(|(settings, _)| settings)
        .map_err(|error| {
            error
                .to_string()
                .replace(folder.path().to_str().unwrap(), "")
        })
}

fn opened(text: &str, arguments: &str) -> OpenSettings {
    match settings(text, arguments) {
        Ok(Settings::Open(settings)) => settings,
        other => panic!("{other:?}"),
    }
}

fn explained(text: &str, arguments: &str) -> ExplainSettings {
    match settings(text, &format!("explain a.png {arguments}")) {
        Ok(Settings::Explain(settings)) => settings,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_key_at_the_top_counts_for_every_command_that_has_the_flag() {
    let text = "cache-mb = 7\nopacity = 0.25\ngraphics = \"sixel\"\n";
    let open = opened(text, "photos");
    assert_eq!((open.cache_bytes, open.style.opacity), (7 << 20, 0.25));
    assert_eq!(open.graphics, Choice::Use(Protocol::Sixel));
    assert_eq!(open.paths, [PathBuf::from("photos")]);
    assert!((explained(text, "").style.opacity - 0.25).abs() < f32::EPSILON);
}

#[test]
fn a_table_goes_before_the_top_and_the_command_line_before_both() {
    let text = "opacity = 0.25\n[explain]\nopacity = 0.75\ntop = 3\n";
    let percent = |arguments| explained(text, arguments).style.opacity * 100.0;
    assert_eq!(
        format!("{} {}", percent(""), percent("--opacity 1")),
        "75 100"
    );
    assert_eq!(explained(text, "").classes, Classes::Top(3));
    assert!((opened(text, "").style.opacity - 0.25).abs() < f32::EPSILON);
    let named = Classes::Named(vec!["cat".to_owned()]);
    assert_eq!(explained(text, "--class cat").classes, named);
    let open = opened("[open]\nno-scoring = true\n", "");
    assert!(!open.review.scores);
}

#[test]
fn what_the_file_switches_on_the_command_line_switches_off() {
    let text = "bgr = true\nno-recursive = true\nsigned = true\n[explain]\nsigned = false\n";
    let open = opened(text, "");
    assert!(open.load.recipe.bgr && !open.scan.recursive && open.style.signed);
    let open = opened(text, "--no-bgr --recursive --no-signed");
    assert!(!open.load.recipe.bgr && open.scan.recursive && !open.style.signed);
    assert!(!explained(text, "").style.signed);
    // Of both, the last counts, with a file or without.
    assert!(opened("", "--no-bgr --bgr").load.recipe.bgr);
    assert!(!opened("", "--bgr --no-bgr").load.recipe.bgr);
}

#[test]
fn lists_are_flags_given_again_and_the_command_line_replaces_them() {
    let text = "verdict = [\"b=blurred\", \"i=ill\"]\nmean = [0.5, 0.25, 1]\nstd = \"1,1,1\"\n";
    let open = opened(text, "");
    let keys: Vec<char> = open.review.verdicts.iter().map(|one| one.key).collect();
    assert_eq!(keys, ['b', 'i']);
    assert_eq!(open.load.recipe.mean, Some([0.5, 0.25, 1.0]));
    assert_eq!(open.load.recipe.std, Some([1.0; 3]));
    let open = opened(text, "--verdict p=poor");
    let keys: Vec<char> = open.review.verdicts.iter().map(|one| one.key).collect();
    assert_eq!(keys, ['p']);
}

#[test]
fn a_flag_that_does_not_go_with_a_given_one_is_left_out() {
    let resize = |text, arguments| opened(text, arguments).load.recipe.resize;
    let squashed = Some(Resize::Squash(64, 64));
    assert_eq!(resize("resize = 288\n", "--squash 64"), squashed);
    assert_eq!(
        resize("squash = 64\n[open]\nresize = 9\n", ""),
        Some(Resize::ShorterSide(9))
    );
}

#[test]
fn what_a_command_cannot_do_without_may_stand_in_the_file() {
    let text = "[export]\nout = \"all.csv\"\n";
    assert!(matches!(
        settings(text, "export photos"),
        Ok(Settings::Export(_))
    ));
    assert!(settings("", "export photos").unwrap_err().contains("--out"));
    // The file does not make up for what is wrong on the line.
    assert!(
        settings(text, "export photos --bogus")
            .unwrap_err()
            .contains("--bogus")
    );
}

#[test]
fn settings_for_a_model_count_where_its_file_its_path_or_its_name_fits() {
    let text = "\
        resize = 100\n\
        [for-model.\"birds*.pth\"]\nresize = 288\nmethod = \"layercam\"\nlabels = \"~/birds.txt\"\n\
        [for-model.\"*/birds-9.pth\"]\nresize = 300\n\
        [for-model.resnet50]\nlayer = \"layer3\"\n";
    let open = |arguments: &str| opened(text, arguments);
    let side = |length| Some(Resize::ShorterSide(length));
    assert_eq!(open("").load.recipe.resize, side(100));
    let birds = open("--model birds-1.pth");
    assert_eq!(birds.load.recipe.resize, side(288));
    assert_eq!(
        birds.options.method,
        "layercam".parse::<MethodId>().unwrap()
    );
    assert_eq!(birds.load.labels, Some(PathBuf::from("/home/birds.txt")));
    assert_eq!(open("--model in/birds-9.pth").load.recipe.resize, side(300));
    assert_eq!(
        open("--model birds.pth --resize 7").load.recipe.resize,
        side(7)
    );
    for model in ["resnet50", "in/resnet50-11ad3fa6.pth"] {
        let layer = open(&format!("--model {model}")).load.layer;
        assert_eq!(layer.as_deref(), Some("layer3"), "{model}");
    }
    let text = format!("model = \"birds.pth\"\n{text}");
    assert_eq!(opened(&text, "").load.recipe.resize, side(288));
    assert_eq!(explained(&text, "").load.recipe.resize, side(288));
}

#[test]
fn keys_and_colors_are_the_users_own() {
    let text = "[keys]\nnext-image = [\"ctrl-n\", \"j\"]\nhelp = \"f2\"\n[colors]\naccent = 208\n";
    let open = opened(text, "");
    let pressed = |code, modifiers| open.keymap.lookup(&KeyEvent::new(code, modifiers));
    let next = Some(keymap::Command::NextImage);
    assert_eq!(pressed(KeyCode::Char('n'), KeyModifiers::CONTROL), next);
    assert_eq!(pressed(KeyCode::Down, KeyModifiers::NONE), None);
    assert_eq!(open.keymap.first(keymap::Command::Help), "F2");
    assert_eq!(open.colors.accent, Color::Indexed(208));
    assert_eq!(open.colors.wrong, Color::Red);
}

#[test]
fn a_key_that_is_given_up_is_free_for_a_verdict() {
    let text = "verdict = [\"j=junk\"]\n[keys]\nnext-image = [\"down\"]\n";
    assert_eq!(opened(text, "").review.verdicts.len(), 1);
}

#[test]
fn the_first_file_that_is_found_is_read_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for (name, text) in [("b", "cache-mb = 2"), ("c", "cache-mb = 3")] {
        std::fs::create_dir_all(at(name).join("gradcam")).unwrap();
        std::fs::write(at(name).join("gradcam/config.toml"), text).unwrap();
    }
    let dirs = format!("{}:{}", at("b").display(), at("c").display());
    let lookup = |name: &str| match name {
        "XDG_CONFIG_HOME" => Some(at("a").to_str().unwrap().to_owned()),
        "XDG_CONFIG_DIRS" => Some(dirs.clone()),
        _ => None,
    };
    let opened = |arguments: &[&str]| {
        let words = ["gradcam"].iter().chain(arguments).map(OsString::from);
        match read(words.collect(), lookup) {
            Ok((Settings::Open(open), _)) => Ok(open.cache_bytes >> 20),
            other => Err(other.unwrap_err().to_string()),
        }
    };
    assert_eq!(opened(&[]), Ok(2));
    assert_eq!(opened(&["--config", "none"]), Ok(1024));
    let named = at("c").join("gradcam/config.toml");
    assert_eq!(opened(&["--config", named.to_str().unwrap()]), Ok(3));
    let error = opened(&["--config", at("a").to_str().unwrap()]).unwrap_err();
    assert!(error.contains("cannot read the configuration"), "{error}");
    assert_eq!(places(lookup).len(), 3);
    let home = |name: &str| (name == "HOME").then(|| "/h".to_owned());
    let usual = [
        "/h/.config/gradcam/config.toml",
        "/etc/xdg/gradcam/config.toml",
    ];
    assert_eq!(places(home), usual.map(PathBuf::from));
}

#[test]
fn flags_of_all_commands_may_stand_before_the_command() {
    let settings = settings("", "-v --log=l.txt -v explain a.png --json");
    assert!(matches!(settings, Ok(Settings::Explain(_))), "{settings:?}");
    let words = ["gradcam", "--config", "none", "--log", "l", "explain", "a"].map(OsString::from);
    let (_, log) = read(words.into(), |_| None).unwrap();
    assert_eq!(log.file.as_deref(), Some(Path::new("l")));
    // A file to open may have the name of a command when flags of the interface go before it.
    assert_eq!(
        opened("", "--bgr explain").paths,
        [PathBuf::from("explain")]
    );
}
