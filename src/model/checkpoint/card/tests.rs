use serde_json::json;

use super::*;
use crate::model::recipe::Resize;
use crate::model::recipe::tests::image;

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn card(files: &[(&str, Value)]) -> Card {
    let texts: Vec<(&str, String)> = files
        .iter()
        .map(|(name, v)| (*name, v.to_string()))
        .collect();
    let files: Vec<(&str, &str)> = texts
        .iter()
        .map(|(name, text)| (*name, text.as_str()))
        .collect();
    Card::of_folder(folder(&files).path()).unwrap()
}

fn broken(name: &str, text: &str) -> String {
    let folder = folder(&[(name, text)]);
    Card::of_folder(folder.path()).unwrap_err().to_string()
}

/// The recipe of a `pretrained_cfg` in words, or why there is none.
fn timm(cfg: &Value) -> String {
    said(card(&[(
        "config.json",
        json!({"architecture": "resnet50d", "pretrained_cfg": cfg}),
    )]))
}

/// The same of a `preprocessor_config.json`.
fn processor(words: Value) -> String {
    said(card(&[("preprocessor_config.json", words)]))
}

fn said(card: Card) -> String {
    match (card.recipe, card.refusal) {
        (Some(recipe), None) => recipe.in_words(),
        (None, Some(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

/// Words of a processor, with ImageNet's mean and deviation.
fn with_imagenet(mut words: Value) -> Value {
    for (field, value) in [
        ("image_mean", json!([0.485, 0.456, 0.406])),
        ("image_std", json!([0.229, 0.224, 0.225])),
        ("resample", json!(3)),
    ] {
        let fields = words.as_object_mut().unwrap();
        fields.entry(field).or_insert(value);
    }
    words
}

fn names(card: &Card) -> Vec<&str> {
    card.classes.iter().flatten().map(String::as_str).collect()
}

/// What timm or transformers makes of an image; tests/golden/make.py writes these.
#[derive(serde::Deserialize)]
struct Golden {
    image: (u32, u32),
    file: String,
    words: Value,
    size: (u32, u32),
    /// Of the tensor [3, height, width], every so manieth.
    values: Vec<f32>,
}

#[test]
fn inputs_are_those_of_timm_and_transformers() {
    let goldens: Vec<Golden> =
        serde_json::from_str(include_str!("../../../../tests/golden/cards.json")).unwrap();
    assert_eq!(goldens.len(), 22);
    for golden in goldens {
        let card = card(&[(&golden.file, golden.words)]);
        let recipe = card.recipe.unwrap();
        let what = format!("{} of {:?}", recipe.in_words(), golden.image);
        let (seen, _) = recipe
            .apply(&image(golden.image.0, golden.image.1))
            .unwrap();
        assert_eq!(seen.dimensions(), golden.size, "{what}");
        let tensor = recipe.normalize(&seen).unwrap();
        let plane = (golden.size.0 * golden.size.1) as usize;
        let values: Vec<f32> = Vec::try_from(tensor.view([-1])).unwrap();
        let step = if values.len() > 10_000 { 997 } else { 29 };
        assert_eq!(golden.values.len(), values.len().div_ceil(step), "{what}");
        for (place, expected) in (0..values.len()).step_by(step).zip(golden.values) {
            // One step of a pixel: Pillow and fast_image_resize may round apart.
            let off = (values[place] - expected).abs() * recipe.std[place / plane] * 255.0;
            assert!(off < 1.01, "{what}: {off}/255 at {place}");
        }
    }
}

#[test]
fn a_pretrained_cfg_of_timm_is_a_recipe() {
    let imagenet = "ImageNet mean and std";
    for (cfg, words) in [
        (
            json!({}),
            format!("shorter side 256 (bicubic), center crop 224, {imagenet}"),
        ),
        (
            json!({"input_size": [3, 288, 288], "crop_pct": 0.98, "interpolation": "bilinear"}),
            format!("shorter side 293 (bilinear), center crop 288, {imagenet}"),
        ),
        (
            json!({"input_size": [3, 224, 224], "crop_pct": 1.0, "crop_mode": "squash", "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}),
            "squashed to 224 (bicubic), center crop 224, mean and std 0.5".to_owned(),
        ),
        (
            json!({"input_size": [3, 192, 256], "crop_pct": 0.9, "crop_mode": "squash", "interpolation": "lanczos", "crop_pct_unknown": 1}),
            format!("squashed to 284x213 (lanczos), center crop 256x192, {imagenet}"),
        ),
        (
            json!({"interpolation": "nearest", "crop_mode": null, "mean": null, "test_input_size": [3, 256, 256]}),
            format!("shorter side 256 (nearest), center crop 224, {imagenet}"),
        ),
    ] {
        assert_eq!(timm(&cfg), words, "{cfg}");
    }
    let old = json!({"architecture": "vit_tiny", "input_size": [3, 96, 96], "crop_pct": 1, "labels": ["a", "b"]});
    let card = card(&[("config.json", old)]);
    assert_eq!(names(&card), ["a", "b"]);
    assert_eq!(card.recipe_source, "config.json");
    assert_eq!(
        said(card),
        format!("shorter side 96 (bicubic), center crop 96, {imagenet}")
    );
}

#[test]
fn arguments_of_a_network_of_timm_change_its_input() {
    let config = |fixed: bool, arguments: Value| {
        said(card(&[(
            "config.json",
            json!({
                "architecture": "vit_base_patch16_224",
                "model_args": arguments,
                "pretrained_cfg": {"input_size": [3, 224, 224], "fixed_input_size": fixed, "crop_pct": 1.0},
            }),
        )]))
    };
    assert!(config(true, json!({"img_size": 128})).contains("center crop 128"));
    assert!(config(false, json!({"img_size": 128})).contains("center crop 224"));
    assert!(config(true, json!({"img_size": [96, 96]})).contains("center crop 96"));
    assert!(config(true, json!({"in_chans": 1})).contains("asks for 1-channel images"));
}

#[test]
fn a_processor_of_transformers_is_a_recipe() {
    let imagenet = "ImageNet mean and std";
    let square = |class: &str| json!({"image_processor_type": class, "size": 224});
    for (words, expected) in [
        (square("ViTImageProcessor"), "squashed to 224 (bicubic)"),
        (square("ViTImageProcessorFast"), "squashed to 224 (bicubic)"),
        (
            json!({"feature_extractor_type": "ViTFeatureExtractor", "size": 384, "resample": 2}),
            "squashed to 384 (bilinear)",
        ),
        (
            json!({"image_processor_type": "ViTImageProcessor", "size": {"height": 192, "width": 256}, "crop_size": null}),
            "squashed to 256x192 (bicubic)",
        ),
        (
            json!({"image_processor_type": "ViTImageProcessor", "size": {"shortest_edge": 256}, "do_center_crop": true, "crop_size": 224, "resample": 1}),
            "shorter side 256 (lanczos), center crop 224",
        ),
        (
            json!({"feature_extractor_type": "ConvNextFeatureExtractor", "size": 224, "crop_pct": 0.95}),
            "shorter side 235 (bicubic), center crop 224",
        ),
        (
            json!({"image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": 224}, "crop_pct": null}),
            "shorter side 256 (bicubic), center crop 224",
        ),
        (
            json!({"image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": 384}, "crop_pct": 0.9}),
            "squashed to 384 (bicubic)",
        ),
        (
            json!({"image_processor_type": "DeiTImageProcessor", "size": 256, "crop_size": {"height": 224, "width": 192}}),
            "squashed to 256 (bicubic), center crop 192x224",
        ),
        (
            json!({"image_processor_type": "BitImageProcessor", "size": 256, "crop_size": [224, 192]}),
            "shorter side 256 (bicubic), center crop 192x224",
        ),
        (
            json!({"image_processor_type": "ViTImageProcessor", "do_resize": false, "resample": 0}),
            "size kept",
        ),
    ] {
        assert_eq!(
            processor(with_imagenet(words)),
            format!("{expected}, {imagenet}")
        );
    }
    let vit = |fields: Value| {
        let mut words = with_imagenet(square("ViTImageProcessor"));
        words
            .as_object_mut()
            .unwrap()
            .append(&mut fields.as_object().unwrap().clone());
        processor(words)
    };
    for (fields, expected) in [
        (
            json!({"image_mean": 0.5, "image_std": [0.5, 0.5, 0.5]}),
            "mean and std 0.5",
        ),
        (json!({"do_normalize": false}), "mean 0,0,0 std 1,1,1"),
        (
            json!({"rescale_factor": 0.003_921_568_627_450_98}),
            imagenet,
        ),
        (
            json!({"rescale_factor": 0.007_843_137_254_901_96, "image_mean": 1.0, "image_std": 1.0}),
            "mean and std 0.5",
        ),
    ] {
        assert_eq!(
            vit(fields),
            format!("squashed to 224 (bicubic), {expected}")
        );
    }
}

#[test]
fn a_processor_without_a_name_is_told_by_the_model() {
    let words = with_imagenet(json!({"size": 224}));
    for (model, expected) in [
        ("swin", "squashed to 224"),
        ("resnet", "shorter side 256 (bicubic), center crop 224"),
        (
            "levit",
            "asks for an image processor without giving its name",
        ),
    ] {
        let card = card(&[
            ("config.json", json!({"model_type": model})),
            ("preprocessor_config.json", words.clone()),
        ]);
        let said = said(card);
        assert!(said.contains(expected), "{model}: {said}");
    }
}

#[test]
fn steps_that_gradcam_does_not_have_are_said() {
    for (cfg, step) in [
        (json!({"input_size": [1, 28, 28]}), "1-channel images"),
        (json!({"crop_mode": "border"}), "the crop mode border"),
        (
            json!({"interpolation": "random\u{1b}"}),
            "the filter random\\u{1b}",
        ),
        (
            json!({"input_size": [3, 192, 256]}),
            "a crop of 256x192 pixels from the middle",
        ),
    ] {
        let said = timm(&cfg);
        assert!(
            said.contains(&format!("config.json asks for {step}")),
            "{said}"
        );
    }
    let vit = "ViTImageProcessor";
    for (words, step) in [
        (
            json!({"image_processor_type": vit, "size": 8, "do_rescale": false}),
            "pixels that are not scaled to 0..1",
        ),
        (
            json!({"image_processor_type": vit, "size": 8, "resample": 4}),
            "the filter box",
        ),
        (
            json!({"image_processor_type": vit, "size": 8, "resample": 5}),
            "the filter hamming",
        ),
        (
            json!({"image_processor_type": vit, "size": 8, "do_pad": true}),
            "padding",
        ),
        (
            json!({"image_processor_type": vit, "size": 8, "rescale_offset": true}),
            "an offset",
        ),
        (
            json!({"image_processor_type": vit, "size": {"shortest_edge": 8, "longest_edge": 9}}),
            "a resize with a longest edge",
        ),
        (
            json!({"image_processor_type": vit}),
            "preprocessing without giving its size",
        ),
        (
            json!({"image_processor_type": "DeiTImageProcessor", "size": 8}),
            "preprocessing without giving its crop_size",
        ),
        (
            json!({"image_processor_type": "LevitImageProcessor", "size": 8}),
            "the image processor LevitImageProcessor",
        ),
        (
            json!({"image_processor_type": "ConvNextImageProcessor", "size": 8, "do_center_crop": true, "crop_size": 4}),
            "a crop after a crop",
        ),
    ] {
        let said = processor(with_imagenet(words));
        assert!(
            said.contains(&format!("preprocessor_config.json asks for {step}")),
            "{said}"
        );
    }
    for missing in ["image_mean", "image_std", "resample"] {
        let mut words = with_imagenet(json!({"image_processor_type": vit, "size": 8}));
        words.as_object_mut().unwrap().remove(missing);
        let said = processor(words);
        assert!(
            said.ends_with(&format!("without giving its {missing}")),
            "{said}"
        );
    }
    let grey = card(&[
        (
            "config.json",
            json!({"model_type": "vit", "num_channels": 1}),
        ),
        (
            "preprocessor_config.json",
            with_imagenet(json!({"size": 8})),
        ),
    ]);
    assert!(said(grey).contains("asks for 1-channel images"));
}

#[test]
fn a_field_of_a_wrong_type_is_named_with_its_file() {
    for (text, words) in [
        (
            "[1]",
            "config.json is damaged: it is [1], not a JSON object",
        ),
        ("{", "config.json is damaged: it is no JSON: EOF"),
        (
            r#"{"pretrained_cfg": 3}"#,
            "its field pretrained_cfg is 3, not an object",
        ),
        (
            r#"{"pretrained_cfg": {"mean": ["a"]}}"#,
            r#"its field pretrained_cfg.mean is ["a"], not three numbers"#,
        ),
        (
            r#"{"pretrained_cfg": {"crop_pct": "x"}}"#,
            r#"its field pretrained_cfg.crop_pct is "x", not a number"#,
        ),
        (
            r#"{"pretrained_cfg": {"crop_pct": -1}}"#,
            "its field pretrained_cfg.crop_pct is -1, not a number above zero",
        ),
        (
            r#"{"pretrained_cfg": {"input_size": [3, 224]}}"#,
            "its field pretrained_cfg.input_size is [3,224], not three whole numbers",
        ),
        (
            r#"{"pretrained_cfg": {}, "label_names": 7}"#,
            "its field label_names gives no class names",
        ),
        (
            r#"{"id2label": {"0": "a", "00": "b"}}"#,
            "its field id2label gives no class names: it has two names for class 0",
        ),
        (
            r#"{"architectures": "ViT"}"#,
            r#"its field architectures is "ViT", not a list of names"#,
        ),
        (
            r#"{"num_attention_heads": "12"}"#,
            r#"its field num_attention_heads is "12", not a whole number"#,
        ),
        (
            r#"{"depths": [2, -1]}"#,
            "its field depths is [2,-1], not a list of whole numbers",
        ),
        (
            r#"{"layer_norm_eps": "1e-6"}"#,
            r#"its field layer_norm_eps is "1e-6", not a number"#,
        ),
        (
            r#"{"hidden_act": 1}"#,
            "its field hidden_act is 1, not text",
        ),
        (
            r#"{"downsample_in_first_stage": 0}"#,
            "downsample_in_first_stage is 0, not true or false",
        ),
    ] {
        let error = broken("config.json", text);
        assert!(error.contains(words), "{text}: {error}");
    }
    for (text, words) in [
        (
            r#"{"image_processor_type": 1}"#,
            "its field image_processor_type is 1, not text",
        ),
        (
            r#"{"image_processor_type": "ViTImageProcessor", "size": "big"}"#,
            r#"size is "big", not a number of pixels"#,
        ),
        (
            r#"{"image_processor_type": "ViTImageProcessor", "size": {"edge": 2}}"#,
            "not a size with shortest_edge, or height and width",
        ),
        (
            r#"{"image_processor_type": "ViTImageProcessor", "size": {"height": -2, "width": 2}}"#,
            "its field size.height is -2, not a number of pixels",
        ),
        (
            r#"{"image_processor_type": "ConvNextImageProcessor", "size": {"height": 2, "width": 2}}"#,
            "not a size with shortest_edge",
        ),
        (
            r#"{"image_processor_type": "ViTImageProcessor", "do_resize": "yes"}"#,
            r#"do_resize is "yes", not true or false"#,
        ),
    ] {
        let error = broken("preprocessor_config.json", text);
        assert!(error.contains(words), "{text}: {error}");
    }
    let long = format!(r#"{{"hidden_act": ["{}\u001b"]}}"#, "a".repeat(500));
    assert!(broken("config.json", &long).len() < 250);
}

#[test]
fn class_names_come_from_either_librarys_fields() {
    for (config, expected) in [
        (
            json!({"id2label": {"1": "dog", "0": "cat"}}),
            vec!["cat", "dog"],
        ),
        (
            json!({"label2id": {"dog": 1, "cat": 0}}),
            vec!["cat", "dog"],
        ),
        (
            json!({"id2label": {"0": "LABEL_0", "1": "LABEL_1"}}),
            vec![],
        ),
        (
            json!({"pretrained_cfg": {}, "label_names": ["cat", "dog"]}),
            vec!["cat", "dog"],
        ),
        (
            json!({"pretrained_cfg": {"label_names": ["cat", "dog"]}}),
            vec!["cat", "dog"],
        ),
        (
            json!({"pretrained_cfg": {}, "label_names": {"0": "cat", "2": "dog"}}),
            vec!["cat", "", "dog"],
        ),
        (
            json!({"pretrained_cfg": {}, "label_names": ["n1", "n2"], "label_descriptions": {"n2": "dog"}}),
            vec!["n1", "dog"],
        ),
        (json!({"model_type": "vit"}), vec![]),
    ] {
        assert_eq!(
            names(&card(&[("config.json", config.clone())])),
            expected,
            "{config}"
        );
    }
}

#[test]
fn numbers_that_weights_do_not_tell_are_kept_by_name() {
    let card = card(&[(
        "config.json",
        json!({
            "architectures": ["SwinForImageClassification"], "model_type": "swin",
            "num_attention_heads": 12, "layer_norm_eps": 1e-6, "hidden_act": "gelu", "depths": [2, 2],
            "image_size": [224, 224], "patch_size": [4, 2], "downsample_in_first_stage": false,
            "problem_type": null, "unknown": {"a": 1}, "id2label": {"0": "a"},
        }),
    )]);
    assert_eq!(
        card.architecture.as_deref(),
        Some("SwinForImageClassification")
    );
    assert_eq!(card.setting_u64("num_attention_heads"), Some(12));
    assert_eq!(card.setting_usize("num_attention_heads"), Some(12));
    assert_eq!(card.setting_f64("layer_norm_eps"), Some(1e-6));
    assert_eq!(card.setting_str("hidden_act"), Some("gelu"));
    assert_eq!(card.setting_u64s("depths"), Some(vec![2, 2]));
    assert_eq!(card.setting_u64("image_size"), Some(224));
    assert_eq!(card.setting_u64("patch_size"), None);
    assert_eq!(card.setting_bool("downsample_in_first_stage"), Some(false));
    let others = ["problem_type", "id2label"];
    assert!(others.iter().all(|name| !card.settings.contains_key(*name)));
    let timm = json!({"architecture": "vit_tiny", "num_classes": 3, "model_args": {"num_classes": 5, "img_size": 96}});
    let card = self::card(&[("config.json", timm)]);
    assert_eq!(card.architecture.as_deref(), Some("vit_tiny"));
    let numbers = ["num_classes", "img_size"].map(|name| card.setting_u64(name));
    assert_eq!(numbers, [Some(3), Some(96)]);
}

#[test]
fn a_folder_without_words_has_an_empty_card() {
    let card = card(&[]);
    assert!(card.recipe.is_none() && card.refusal.is_none() && card.classes.is_none());
    assert!(card.settings.is_empty());
}

#[test]
fn metadata_has_gradcams_card_or_timms_words() {
    let of = |pairs: &[(&str, &str)]| {
        let pairs = pairs
            .iter()
            .map(|(key, text)| ((*key).to_owned(), (*text).to_owned()));
        Card::of_metadata("m.safetensors", &pairs.collect())
    };
    let cfg = ("pretrained_cfg", r#"{"input_size": [3, 96, 96]}"#);
    let card = of(&[("format", "pt"), cfg]).unwrap();
    assert_eq!(card.recipe_source, "the checkpoint");
    assert!(said(card).contains("center crop 96"));
    let own = r#"{"classes": ["a"], "settings": {"num_attention_heads": 3}}"#;
    let card = of(&[("gradcam", own), cfg]).unwrap();
    assert_eq!(
        (names(&card), card.setting_u64("num_attention_heads")),
        (vec!["a"], Some(3))
    );
    assert!(said(card).contains("center crop 96"));
    for (key, text, words) in [
        (
            "gradcam",
            "{",
            "m.safetensors is damaged: what its metadata says under \"gradcam\"",
        ),
        (
            "gradcam",
            r#"{"settings": {"depths": 1}}"#,
            "its field depths is 1, not a list",
        ),
        (
            "pretrained_cfg",
            "{",
            "what its metadata says under \"pretrained_cfg\"",
        ),
        ("pretrained_cfg", "7", "it is 7, not a JSON object"),
    ] {
        let error = of(&[(key, text)]).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn one_card_fills_the_gaps_of_another() {
    let own = Card {
        recipe: Some(Recipe::imagenet()),
        recipe_source: "the checkpoint",
        ..Card::default()
    };
    let beside = card(&[(
        "config.json",
        json!({"architecture": "vit", "id2label": {"0": "a"}, "label_names": ["a"], "depths": [1]}),
    )]);
    let both = own.or(beside.clone());
    assert_eq!(
        both.recipe.as_ref().map(|recipe| recipe.resize),
        Some(Resize::ShorterSide(256))
    );
    assert_eq!(
        (both.recipe_source, both.classes_source),
        ("the checkpoint", "config.json")
    );
    assert_eq!(
        (names(&both), both.setting_u64s("depths")),
        (vec!["a"], Some(vec![1]))
    );
    assert_eq!(Card::default().or(beside).recipe_source, "config.json");
}

#[test]
fn settings_of_networks_that_gradcam_does_not_build_may_have_other_types() {
    let heads = |model: &str| json!({"model_type": model, "num_attention_heads": [1, 2, 5, 8]});
    let segmentation = card(&[("config.json", heads("segformer"))]);
    assert!(segmentation.recipe.is_none() && segmentation.refusal.is_none());
    let error = broken("config.json", &heads("vit").to_string());
    assert!(
        error.contains("num_attention_heads is [1,2,5,8], not a whole number"),
        "{error}"
    );
}
