use super::*;
use crate::dataset::review::Review;
use crate::dataset::score::{Answer, MapFigures, Score, TrueClass};

mod speed;

struct Words {
    labels: Vec<String>,
    verdicts: Vec<Arc<str>>,
    tags: Vec<Arc<str>>,
}

impl Words {
    fn new() -> Self {
        Self {
            labels: ["wren", "tiger cat", "cat", "crane", "crane", "dog", "0"]
                .map(str::to_owned)
                .into(),
            verdicts: ["wrong", "right for the wrong reason", "label error"]
                .map(Arc::from)
                .into(),
            tags: ["night", "any"].map(Arc::from).into(),
        }
    }

    fn vocabulary(&self) -> Vocabulary<'_> {
        Vocabulary {
            labels: &self.labels,
            classes: self.labels.len(),
            verdicts: &self.verdicts,
            tags: &self.tags,
        }
    }
}

fn parse(text: &str) -> Result<Query, QueryError> {
    Query::parse(text, &Words::new().vocabulary())
}

fn error(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

/// Class 2 of 7 predicted with probability 0.6, class 5 with 0.3.
fn score() -> Score {
    let answer = |class, logit| Answer { class, logit };
    let map = |peak| MapFigures {
        peak,
        entropy: Some(0.5),
        center: Some([0.5, 0.5]),
        mass: Some(0.25),
    };
    let top = [answer(2, 6_f32.ln()), answer(5, 3_f32.ln())];
    let mut score = Score::new(&top, 10_f32.ln(), 0.9);
    score.truth = Some(TrueClass {
        class: 5,
        logit: 3_f32.ln(),
        rank: 2,
    });
    score.map = Some(map(3.0));
    score.true_map = Some(map(1.0));
    score.agreement = Some(0.1);
    score
}

fn review(verdict: Option<&str>, note: &str, tags: &[&str]) -> Review {
    Review {
        verdict: verdict.map(Arc::from),
        note: Arc::from(note),
        tags: tags.iter().map(|tag| Arc::from(*tag)).collect(),
    }
}

/// Which of these rows a query lets through: `w` wrong, `r` right and marked, `u` scored without
/// truth, `n` not scored, `x` unreadable; some are reviewed.
fn let_through(text: &str) -> String {
    let query = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let score = score();
    let reviews = [
        review(Some("label error"), "A blurred\ndog", &["Night"]),
        review(Some("right for the wrong reason"), "", &["any"]),
        review(None, "", &[]),
    ];
    let row = |name, score, truth| Row {
        name,
        score,
        truth,
        ..Row::default()
    };
    let rows = [
        Row {
            review: Some(&reviews[0]),
            ..row("w/IMG_01.png", Some(&score), &[5])
        },
        Row {
            review: Some(&reviews[1]),
            is_marked: true,
            ..row("r/img_02 (1).png", Some(&score), &[5, 2])
        },
        Row {
            review: Some(&reviews[2]),
            ..row("u/wrong.png", Some(&score), &[])
        },
        row("n/grünfink.png", None, &[3, 1]),
        Row {
            unreadable: Some("it is no image"),
            ..row("x/or.png", None, &[])
        },
    ];
    let through = rows.iter().filter(|row| query.lets(row));
    through.filter_map(|row| row.name.chars().next()).collect()
}

#[test]
fn each_term_lets_through_what_it_says() {
    for (text, expected) in [
        ("", "wrunx"),
        ("wrong", "w"),
        ("right", "r"),
        ("top5", "wr"),
        ("top5wrong", ""),
        ("scored", "wru"),
        ("unscored", "n"),
        ("unreadable", "x"),
        ("known", "wrn"),
        ("marked", "r"),
        ("reviewed", "wr"),
        ("noted", "w"),
        ("empty", ""),
        ("pred:cat", "wru"),
        ("pred:~cat", "wru"),
        ("pred:\"Tiger Cat\"", ""),
        ("pred:tiger_cat", ""),
        ("pred:ca", "wru"),
        ("pred:2", "wru"),
        ("pred:#2", "wru"),
        ("true:dog", "wr"),
        ("true:cat", "r"),
        ("true:~cat", "rn"),
        ("true:crane", "n"),
        ("true:#3", "n"),
        ("true:#4", ""),
        ("top:dog", "wru"),
        ("top:wren", ""),
        ("verdict:none", "unx"),
        ("verdict:any", "wr"),
        ("verdict:\"label error\"", "w"),
        ("verdict:LABEL", "w"),
        ("verdict:wrong", ""),
        ("verdict:~wrong", "r"),
        ("note:blur", "w"),
        ("note:~\"blurred\ndog\"", "w"),
        ("note:none", "runx"),
        ("tag:night", "w"),
        ("tag:nigh", ""),
        ("tag:~nigh", "w"),
        ("tag:any", "wr"),
        ("tag:\"any\"", "r"),
        ("tag:none", "unx"),
        ("name:img_0", "wr"),
        ("name:~img_0", "wr"),
        ("img_0", "wr"),
        ("GRÜN", "n"),
        ("\"wrong\"", "u"),
        ("\"or\"", "x"),
        ("(1)", "wr"),
        ("((1))", "wr"),
        ("zz(1)", ""),
        ("\"(1)\"", "r"),
        ("name:(1)", "r"),
        ("name:\"2 (1\"", "r"),
    ] {
        assert_eq!(let_through(text), expected, "{text}");
    }
}

#[test]
fn numbers_are_compared_as_they_are_written() {
    for (text, expected) in [
        ("conf>0.59", "wru"),
        ("conf>0.6001", ""),
        ("conf>=59.9%", "wru"),
        ("conf < 70%", "wru"),
        ("conf<=59%", ""),
        ("conf=0.6", "wru"),
        ("conf=0.61", ""),
        ("conf==60%", "wru"),
        ("conf:40%..0.7", "wru"),
        ("conf:0.5..0.7", "wru"),
        ("conf:0.7..", ""),
        ("conf:..70%", "wru"),
        ("conf:>0.5", "wru"),
        ("margin:0.3", "wru"),
        ("margin<0.1", ""),
        ("rank=2", "w"),
        ("rank:2", "w"),
        ("rank>1", "w"),
        ("rank<=2", "wr"),
        ("rank<2", "r"),
        ("rank:1", "r"),
        ("loss>1.2", "w"),
        ("CONF>5e-1", "wru"),
        ("peak:3", "wru"),
        ("tpeak:1", "w"),
        ("tpeak:3", "r"),
        ("mass<0.3", "wr"),
        ("agree<0.5", "w"),
        ("agree>0.5", "r"),
        ("offcenter<0.1", "wru"),
        ("logit>-1", "wru"),
    ] {
        assert_eq!(let_through(text), expected, "{text}");
    }
}

#[test]
fn what_is_not_known_fails_and_its_negation_holds() {
    assert_eq!(let_through("conf>0"), "wru");
    assert_eq!(let_through("-conf>0"), "nx");
    assert_eq!(let_through("-wrong"), "runx");
    assert_eq!(let_through("loss<100"), "wr");
    assert_eq!(let_through("not loss<100"), "unx");
}

#[test]
fn terms_are_combined() {
    for (text, expected) in [
        ("wrong conf>0.5", "w"),
        ("wrong and conf>0.5", "w"),
        ("wrong OR unreadable", "wx"),
        ("wrong or unscored known", "wn"),
        ("(wrong or unscored) known", "wn"),
        ("(wrong or unreadable) -known", "x"),
        ("not (wrong or right)", "unx"),
        ("-(wrong or right) scored", "u"),
        ("not not wrong", "w"),
        ("--wrong", "w"),
        ("-img", "unx"),
        ("wrong or right or unscored", "wrn"),
        ("((wrong))", "w"),
        ("(pred:cat or (1)) -(right)", "wu"),
        ("(wrong or name:02)", "wr"),
    ] {
        assert_eq!(let_through(text), expected, "{text}");
    }
}

#[test]
fn mistakes_are_said_where_they_are_with_what_was_meant() {
    for (text, expected) in [
        (
            "wrong pred:crame",
            "column 12: there is no class crame; did you mean crane?",
        ),
        (
            "pred:cta",
            "column 6: there is no class cta; did you mean cat?",
        ),
        (
            "pred:7",
            "column 6: there is no class 7; the model has 0 to 6",
        ),
        (
            "pred:#9",
            "column 6: there is no class #9; the model has 0 to 6",
        ),
        ("pred:\"#2\"", "column 6: there is no class #2"),
        ("pred:~zebra", "column 7: there is no class zebra"),
        ("木木 pred:", "column 6: after pred: there must be a class"),
        (
            "verdict:\"lable error\"",
            "column 9: there is no verdict lable error; did you mean label error?",
        ),
        (
            "prd:cat",
            "column 1: prd is no field and no figure; in quotes it is part of a file name; did you mean pred?",
        ),
        (
            "confi>0.5",
            "column 1: confi is no field and no figure; in quotes it is part of a file name; did you mean conf?",
        ),
        ("conf>high", "column 6: high is no number"),
        (
            "conf>",
            "column 6: conf is compared with a number, as in conf>0.5",
        ),
        ("conf>nan", "column 6: nan is no number"),
        ("conf>inf", "column 6: inf is no number"),
        ("loss>50%", "column 6: loss is not given in percent"),
        ("conf:0.6..0.4", "column 6: the range ends before it begins"),
        ("conf:0.4..x", "column 6: x is no number"),
        ("name:\"a", "column 6: the quote is not closed"),
        ("(wrong", "column 1: this ( is not closed"),
        ("wrong)", "column 6: there is no ( for this )"),
        ("()", "column 2: a term is missing before this"),
        ("wrong or", "column 9: a term is missing here"),
        ("wrong and", "column 10: a term is missing here"),
        ("or wrong", "column 1: a term is missing before this"),
        ("-", "column 2: a term is missing here"),
        (">3", "column 1: a name is missing before this"),
        (
            "\u{1b}[2J:x",
            "column 1: \\u{1b}[2J is no field and no figure; in quotes it is part of a file name",
        ),
    ] {
        assert_eq!(error(text), expected, "{text}");
    }
    let error = parse("wrong pred:crame").unwrap_err();
    assert_eq!(
        (error.at, error.suggestions),
        (11..16, vec!["crane".to_owned()])
    );
}

#[test]
fn classes_without_names_go_by_number() {
    let vocabulary = Vocabulary {
        classes: 10,
        ..Vocabulary::default()
    };
    assert!(Query::parse("pred:9 true:#3", &vocabulary).is_ok());
    let error = |text| Query::parse(text, &vocabulary).unwrap_err().message;
    assert_eq!(
        error("pred:cat"),
        "the classes have no names; give a number"
    );
    let nothing = Vocabulary::default();
    let error = Query::parse("pred:1", &nothing).unwrap_err().message;
    assert_eq!(error, "the classes are not known yet");
}

#[test]
fn any_text_is_a_query_or_a_sentence() {
    let mut random = crate::tests::random::Random(11);
    let words = [
        "pred:", "cat", "(", ")", "-", "not", " ", " ", "or", "\"", "\\", "~", "conf", ">", "=",
        "..", "0.5", "%", "木", ":", "#", "wrong", "\u{301}", "<",
    ];
    for _ in 0..4000 {
        let text: String = (0..random.below(12))
            .map(|_| words[random.below(words.len())])
            .collect();
        let words = Words::new();
        if let Err(error) = Query::parse(&text, &words.vocabulary()) {
            assert!(text.get(error.at.clone()).is_some(), "{text:?} {error:?}");
            assert!(!error.message.is_empty());
        }
        for cursor in [random.below(text.len() + 1), text.len(), text.len() + 1] {
            for completion in complete(&text, cursor, &words.vocabulary()) {
                assert!(text.get(completion.replaces).is_some(), "{text:?}");
            }
        }
    }
    assert_eq!(
        error(&"(".repeat(100_000)),
        "column 65: more than 64 are nested here"
    );
    assert_eq!(
        error(&"-".repeat(100_000)),
        "column 65: more than 64 are nested here"
    );
}

#[test]
fn every_term_of_the_help_is_understood() {
    let mut seen = Vec::new();
    for line in terms::help() {
        let text = match line.group {
            "Figures, as in conf>0.9" => format!("{}>0.1", line.term),
            _ => line.term.to_owned(),
        };
        parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert!(
            !line.meaning.is_empty() && line.meaning.len() <= 64,
            "{line:?}"
        );
        seen.push(line.term);
    }
    for flag in Flag::ALL {
        assert!(seen.contains(&flag.name()));
    }
    for figure in Figure::ALL {
        assert!(seen.contains(&figure.name()));
    }
    let all = seen.len();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), all, "a term stands twice");
    assert_eq!(terms::readme_table().lines().count(), all + 2);
    crate::tests::assert_readme_has("terms", &terms::readme_table());
}

#[test]
fn terms_are_completed_at_the_cursor() {
    let words = Words::new();
    let offered = |text: &str| -> Vec<String> {
        let completions = complete(text, text.len(), &words.vocabulary());
        let whole = |completion: Completion| {
            let mut whole = text.to_owned();
            whole.replace_range(completion.replaces, &completion.text);
            whole
        };
        completions.into_iter().map(whole).collect()
    };
    assert_eq!(offered("ma")[..2], ["marked", "margin>"]);
    assert_eq!(offered("mgn")[0], "margin>");
    assert_eq!(offered("(-wron"), ["(-wrong", "(-top5wrong"]);
    assert_eq!(offered("pre")[0], "pred:");
    assert_eq!(offered("wrong pred:ti"), ["wrong pred:\"tiger cat\""]);
    assert_eq!(offered("pred:\"tiger c"), ["pred:\"tiger cat\""]);
    assert_eq!(offered("pred:cra"), ["pred:#3", "pred:#4"]);
    assert_eq!(offered("true:cat"), ["true:cat", "true:\"tiger cat\""]);
    assert_eq!(offered("verdict:lab"), ["verdict:\"label error\""]);
    assert_eq!(offered("verdict:no")[0], "verdict:none");
    assert_eq!(offered("tag:nig"), ["tag:night"]);
    assert_eq!(offered("tag:")[..2], ["tag:night", "tag:\"any\""]);
    assert_eq!(offered("name:x"), [""; 0]);
    assert_eq!(offered("\"pre"), [""; 0]);
    assert!(offered("!zz").is_empty() && offered("").len() > 30);
    let class = &complete("pred:do", 7, &words.vocabulary())[0];
    assert_eq!(
        (class.replaces.clone(), class.about.as_str()),
        (5..7, "class 5")
    );
    // What is offered is understood, and means what it says.
    for text in ["pred:", "true:", "verdict:", "tag:"] {
        for query in offered(text) {
            parse(&query).unwrap_or_else(|error| panic!("{query}: {error}"));
        }
    }
}

#[test]
fn names_are_quoted_where_they_must_be() {
    for (name, written) in [
        ("cat", "cat"),
        ("tiger cat", "\"tiger cat\""),
        ("None", "\"None\""),
        ("#1", "\"#1\""),
        ("a(b", "\"a(b\""),
        ("5\"", "\"5\\\"\""),
        ("", "\"\""),
        ("a\\b", "a\\b"),
        ("a\\ b", "\"a\\\\ b\""),
    ] {
        assert_eq!(quoted(name), written);
        let labels = [name.to_owned(), "other".to_owned()];
        let vocabulary = Vocabulary {
            labels: &labels,
            classes: 2,
            ..Vocabulary::default()
        };
        if !name.is_empty() {
            Query::parse(&format!("pred:{written}"), &vocabulary).unwrap();
        }
    }
}
