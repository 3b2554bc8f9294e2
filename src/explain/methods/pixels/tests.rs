use super::super::parity::{asked, network, values};
use super::super::{METHODS, Method, Reads, Unwatched};
use super::*;
use crate::explain::target::Score;
use crate::model::Model;

/// Calls the work off at the given step.
struct Impatient {
    steps: usize,
    last: usize,
    progress: Vec<(usize, usize)>,
}

impl Impatient {
    fn at(last: usize) -> Self {
        Self {
            steps: 0,
            last,
            progress: Vec::new(),
        }
    }
}

impl Watch for Impatient {
    fn step(&mut self, done: usize, total: usize) -> Result<(), ExplainError> {
        self.steps += 1;
        self.progress.push((done, total));
        if self.steps > self.last {
            return Err(ExplainError::CalledOff);
        }
        Ok(())
    }
}

fn slow() -> impl Iterator<Item = &'static Method> {
    METHODS.iter().copied().filter(|method| method.is_slow)
}

fn evidence(
    method: &Method,
    model: &Model,
    score: Score,
    watch: &mut dyn Watch,
) -> Result<Vec<f32>, ExplainError> {
    asked(model, None, score, |case| {
        Ok(values((method.evidence)(case, watch)?))
    })
}

/// The largest difference of two maps, in parts of the peak; zero where all bits are the same.
fn apart(one: &[f32], other: &[f32]) -> f32 {
    assert_eq!(one.len(), other.len());
    if one == other {
        return 0.0;
    }
    let peak = one
        .iter()
        .fold(0.0_f32, |peak, value| peak.max(value.abs()));
    let pairs = one.iter().zip(other);
    let largest = |largest: f32, next: f32| {
        if largest.is_nan() || next <= largest {
            largest
        } else {
            next
        }
    };
    pairs.map(|(a, b)| (a - b).abs() / peak).fold(0.0, largest)
}

#[test]
fn slow_methods_say_how_far_they_are_and_stop_at_the_step_at_which_they_are_called_off() {
    // What follows the target layer of this one is no single linear layer: nothing is closed form.
    let (model, class) = network("vgg");
    let mut seen = 0;
    for method in slow() {
        let key = method.key;
        let mut patient = Impatient::at(usize::MAX);
        evidence(method, &model, Score::logit(class), &mut patient).unwrap();
        let total = patient.progress[0].1;
        assert!(patient.steps >= 2, "{key} has {} steps", patient.steps);
        assert!(patient.progress.is_sorted(), "{key}");
        assert_eq!(patient.progress[0].0, 0, "{key}");
        for (done, of) in &patient.progress {
            assert!(*of == total && done < of, "{key}: {done} of {of}");
        }
        for last in [0, 1, patient.steps - 1] {
            let mut watch = Impatient::at(last);
            let result = evidence(method, &model, Score::logit(class), &mut watch);
            assert!(matches!(result, Err(ExplainError::CalledOff)), "{key}");
            assert_eq!(watch.steps, last + 1, "{key}");
        }
        seen += 1;
    }
    assert!(seen >= 6, "{seen}");
}

#[test]
fn methods_of_pixels_attention_and_many_passes_give_the_same_map_again() {
    let mut seen = 0;
    for name in ["vgg", "vit"] {
        let (model, class) = network(name);
        let quick = |method: &&&Method| method.reads == Reads::Layer && !method.is_slow;
        for method in METHODS.iter().filter(|method| !quick(method)) {
            let run = || evidence(method, &model, Score::logit(class), &mut Unwatched);
            match (run(), run()) {
                (Ok(first), Ok(again)) => {
                    let apart = apart(&first, &again);
                    // A GPU adds the gradients of a pooling layer in the order in which they come.
                    let most = if model.is_on_processor() { 0.0 } else { 1e-5 };
                    assert!(apart <= most, "{name} {}: {apart:e}", method.key);
                    seen += 1;
                }
                (first, _) => assert!(matches!(first, Err(ExplainError::Unfit { .. })), "{name}"),
            }
        }
    }
    assert!(seen >= 18, "{seen}");
}

#[test]
fn methods_that_change_the_gradient_of_relu_refuse_a_network_without_one() {
    let (model, class) = network("vit");
    for key in ["guided-backprop", "guided-grad-cam", "deconvolution"] {
        let method = METHODS.iter().find(|method| method.key == key).unwrap();
        let result = evidence(method, &model, Score::logit(class), &mut Unwatched);
        let error = result.unwrap_err().to_string();
        let start = format!(
            "{} does not work on this network: it has no ReLU",
            method.name
        );
        assert!(error.starts_with(&start), "{error}");
    }
}

#[test]
fn a_map_of_pixels_is_the_largest_size_or_the_sum_of_the_three_channels() {
    let attribution = Tensor::from_slice(&[1.0_f32, -2.0, -3.0, 1.5, 0.5, 0.25]).view([3, 1, 2]);
    assert_eq!(
        largest(&attribution).unwrap(),
        Grid::new(2, 1, vec![3.0, 2.0])
    );
    assert_eq!(
        summed(&attribution).unwrap(),
        Grid::new(2, 1, vec![-1.5, -0.25])
    );
}
