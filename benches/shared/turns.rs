//! Times of several pieces of work that take turns, so that all see the same machine.

use std::time::Instant;

use anyhow::Result;

/// Work that is measured, and what it is called.
pub(crate) struct Work<'a> {
    name: &'static str,
    /// Gives the milliseconds that it took.
    run: Box<dyn Fn() -> Result<f64> + 'a>,
}

/// Milliseconds of one piece of work, a number for each round.
pub(crate) struct Times {
    pub(crate) name: &'static str,
    rounds: Vec<f64>,
}

impl<'a> Work<'a> {
    /// Work that is timed from its beginning to its end.
    pub(crate) fn new(name: &'static str, work: impl Fn() -> Result<()> + 'a) -> Self {
        Self::told(name, move || {
            let start = Instant::now();
            work()?;
            Ok(start.elapsed().as_secs_f64() * 1000.0)
        })
    }

    /// Work that says itself how many milliseconds it took.
    pub(crate) fn told(name: &'static str, run: impl Fn() -> Result<f64> + 'a) -> Self {
        Self {
            name,
            run: Box::new(run),
        }
    }
}

impl Times {
    pub(crate) fn median(&self) -> f64 {
        middle(self.rounds.clone())
    }

    /// The median over the rounds of what a function makes of a round's times.
    pub(crate) fn median_with(&self, others: &[&Self], of: impl Fn(f64, &[f64]) -> f64) -> f64 {
        let round = |(round, own): (usize, &f64)| {
            let others: Vec<f64> = others.iter().map(|other| other.rounds[round]).collect();
            of(*own, &others)
        };
        middle(self.rounds.iter().enumerate().map(round).collect())
    }

    /// How many times as long as another it takes: the median over the rounds.
    pub(crate) fn ratio_to(&self, other: &Self) -> f64 {
        self.median_with(&[other], |own, others| own / others[0])
    }
}

/// Runs everything once in each round. Rounds for warming up do not count.
///
/// # Errors
/// Those of the work.
pub(crate) fn in_turns(works: &[Work<'_>], warm_up: usize, rounds: usize) -> Result<Vec<Times>> {
    let mut times: Vec<Times> = works
        .iter()
        .map(|work| Times {
            name: work.name,
            rounds: Vec::new(),
        })
        .collect();
    for round in 0..warm_up + rounds {
        for (work, times) in works.iter().zip(&mut times) {
            let milliseconds = (work.run)()?;
            if round >= warm_up {
                times.rounds.push(milliseconds);
            }
        }
    }
    Ok(times)
}

fn middle(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
}
