//! The name of a saved picture: the class, and all that is not as usual, so that two pictures of
//! one image do not overwrite each other.

use crate::explain::Explanation;
use crate::explain::methods::MethodId;
use crate::explain::options::Options;
use crate::explain::target::Measure;
use crate::picture::Style;
use crate::picture::files::label_part;

/// "tabby", or "tabby.beside-lynx.score-cam.layer3.signed".
pub(super) fn name_part(
    explanation: &Explanation,
    beside: Option<&Explanation>,
    style: Style,
) -> String {
    let Options {
        method,
        layers,
        measure,
        counterfactual,
        aug_smooth,
        eigen_smooth,
        ..
    } = &explanation.options;
    let said = |said: bool, words: &str| said.then(|| words.to_owned());
    let words = [
        Some(label_part(&explanation.target.label)),
        beside.map(|beside| format!("beside-{}", label_part(&beside.target.label))),
        explanation
            .versus
            .as_ref()
            .map(|versus| format!("not-{}", label_part(&versus.label))),
        said(*method != MethodId::default(), method.method().key),
        match layers.as_slice() {
            [] => None,
            [layer] => Some(label_part(&layer.replace('.', "-"))),
            several => Some(format!(
                "{}-of-{}-layers",
                explanation.options.joined_by().name(),
                several.len()
            )),
        },
        said(*measure == Measure::Probability, "probability"),
        said(*counterfactual, "counterfactual"),
        said(*aug_smooth, "aug_smooth"),
        said(*eigen_smooth, "eigen_smooth"),
        said(style.signed, "signed"),
    ];
    words.into_iter().flatten().collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::Prediction;
    use crate::heatmap::{Grid, Heatmap};
    use crate::model::ClassIndex;

    fn of(label: &str, options: &Options) -> Explanation {
        let prediction = |label: &str| Prediction {
            rank: 1,
            class: ClassIndex(0),
            label: label.to_owned(),
            logit: 0.0,
            probability: 1.0,
        };
        let raw = Grid::new(1, 1, vec![1.0]);
        Explanation {
            target: prediction(label),
            versus: options.versus.map(|_| prediction("dog")),
            layers: options.layers.clone(),
            options: options.clone(),
            heatmap: Heatmap::from_raw(&raw),
            raw,
            channels: Vec::new(),
            not_finite_from: None,
        }
    }

    #[test]
    fn a_plain_picture_has_the_name_of_its_class_and_others_say_what_is_different() {
        let plain = Options::default();
        let style = Style::default();
        assert_eq!(
            name_part(&of("tiger cat", &plain), None, style),
            "tiger_cat"
        );
        let other = Options {
            layers: vec!["layer3.1.conv2".to_owned()],
            versus: Some(ClassIndex(3)),
            counterfactual: true,
            measure: Measure::Probability,
            aug_smooth: true,
            eigen_smooth: true,
            ..Options::default()
        };
        let signed = Style {
            signed: true,
            ..style
        };
        assert_eq!(
            name_part(&of("cat", &other), Some(&of("lynx", &other)), signed),
            "cat.beside-lynx.not-dog.layer3-1-conv2.probability.counterfactual.aug_smooth.\
             eigen_smooth.signed"
        );
        let fused = Options {
            layers: vec!["layer3".to_owned(), "layer4".to_owned()],
            ..plain
        };
        assert_eq!(
            name_part(&of("cat", &fused), None, style),
            "cat.mean-of-2-layers"
        );
    }
}
