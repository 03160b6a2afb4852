//! The paper's Fig. 13: one workload through the whole path as data grows, servers side by side. Two things grow, each by itself: how much is done in one go,
//! and how much is kept already. Rounds are interleaved, and the order inside a round rotates, so that a slow moment of the machine weighs on all.

use std::time::Duration;

use crate::Outcome;
use crate::process;
use crate::report::{Figures, Kept};
use crate::stats::spread;
use crate::target::Target;
use crate::work::OPERATIONS;

/// How large a run is.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Operations done in one go, growing.
    pub work: Vec<usize>,
    /// Messages that are kept already, growing.
    pub kept: Vec<usize>,
    /// Rounds.
    pub rounds: usize,
    /// Operations before anything is measured, in two rounds.
    pub warmup: usize,
    /// How long one server may take for all rounds of one size; above it there are fewer rounds, or none.
    pub limit: Duration,
}

/// Operations while messages are kept.
const BESIDE: usize = 1000;

impl Plan {
    /// The plan of this name: quick (does it work?), usual, long.
    ///
    /// # Errors
    /// No such plan.
    pub fn named(name: &str) -> Outcome<Self> {
        let seconds = Duration::from_secs;
        match name {
            "quick" => Ok(Self {
                work: vec![100, 200],
                kept: vec![100, 200],
                rounds: 2,
                warmup: 50,
                limit: seconds(20),
            }),
            "usual" => Ok(Self {
                work: vec![100, 1000, 10_000],
                kept: vec![1000, 10_000],
                rounds: 5,
                warmup: 2000,
                limit: seconds(50),
            }),
            "long" => Ok(Self {
                work: vec![100, 1000, 10_000, 100_000],
                kept: vec![1000, 10_000, 100_000],
                rounds: 5,
                warmup: 5000,
                limit: seconds(400),
            }),
            _ => Err(format!("there is no plan {name}")),
        }
    }
}

/// Runs it; `say` is told what is going on.
///
/// # Errors
/// When a server fails, or something is lost, doubled or out of order: then there is no figure.
pub fn run(plan: &Plan, targets: &mut [Target], mut say: impl FnMut(&str)) -> Outcome<Figures> {
    say("warming up");
    let twice = vec![2; targets.len()];
    rounds(targets, &twice, |target, _| target.run(turns(plan.warmup / 2)).map(drop))?;
    let mut figures = Figures::new(targets.iter().map(|target| (target.name.clone(), target.parts.clone())));
    let mut last: Vec<Option<(usize, f64)>> = vec![None; targets.len()];
    for operations in &plan.work {
        say(&format!("{operations} operations"));
        figures.tried(*operations);
        let often: Vec<usize> = last
            .iter()
            .map(|known| {
                affordable(plan, known.map(|(count, took)| took * *operations as f64 / count as f64))
            })
            .collect();
        rounds(targets, &often, |target, at| {
            let run = target.run(turns(*operations))?;
            figures.work(at, *operations, run);
            Ok(())
        })?;
        for (at, known) in last.iter_mut().enumerate() {
            let seconds = spread(figures.runs(at, *operations).iter().map(|run| run.seconds));
            // One that was left out is left out for all that is larger.
            *known = Some(seconds.map_or((1, f64::INFINITY), |seconds| (*operations, seconds.median)));
        }
    }
    let mut per_message: Vec<f64> = vec![0.0; targets.len()];
    for kept in &plan.kept {
        say(&format!("{kept} messages kept"));
        figures.tried_kept(*kept);
        let mut often = vec![0; targets.len()];
        for (at, target) in targets.iter_mut().enumerate() {
            let expected = per_message[at] * (kept - target.left.min(*kept)) as f64;
            if expected > plan.limit.as_secs_f64() {
                per_message[at] = f64::INFINITY;
                continue;
            }
            let (count, seconds) = target.fill(*kept, plan.limit)?;
            per_message[at] = if target.left < *kept { f64::INFINITY } else { seconds / count.max(1) as f64 };
            figures.filled(at, Kept { total: target.left, count, seconds });
            often[at] = if target.left < *kept { 0 } else { plan.rounds.min(3) };
        }
        let operations = BESIDE.min(*plan.work.last().unwrap_or(&BESIDE));
        rounds(targets, &often, |target, at| {
            let run = target.run(turns(operations))?;
            figures.beside(at, *kept, run);
            Ok(())
        })?;
    }
    for (at, target) in targets.iter().enumerate() {
        let memory: Outcome<Vec<_>> = target.parts.iter().map(process::memory).collect();
        figures.memory(at, memory?.iter().map(|memory| memory.resident as f64 / 1024.0 / 1024.0).collect());
    }
    Ok(figures)
}

fn turns(operations: usize) -> usize {
    (operations / OPERATIONS).max(1)
}

/// How many rounds fit into the limit, when one takes so long; all when that is not known yet.
fn affordable(plan: &Plan, seconds: Option<f64>) -> usize {
    let fit = seconds.map_or(plan.rounds, |seconds| (plan.limit.as_secs_f64() / seconds) as usize);
    fit.min(plan.rounds)
}

/// Each server so many times, all of them in each round, beginning with another one.
fn rounds<T>(
    targets: &mut [T],
    often: &[usize],
    mut one: impl FnMut(&mut T, usize) -> Outcome<()>,
) -> Outcome<()> {
    let count = targets.len();
    for round in 0..often.iter().copied().max().unwrap_or(0) {
        for turn in 0..count {
            let at = (turn + round) % count;
            if often.get(at).is_some_and(|often| round < *often) {
                one(&mut targets[at], at)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_are_interleaved_and_rotate() {
        let mut order = Vec::new();
        rounds(&mut ['a', 'b', 'c'], &[3, 1, 3], |name, at| {
            order.push((*name, at));
            Ok(())
        })
        .expect("no failure");
        let names: String = order.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, "abccaca", "b takes part in the first round only");
        assert!(order.iter().all(|(name, at)| ['a', 'b', 'c'][*at] == *name));
    }

    #[test]
    fn a_failure_ends_the_rounds() {
        let mut count = 0;
        let outcome = rounds(&mut [(), ()], &[5, 5], |(), _| {
            count += 1;
            if count == 3 { Err("broken".to_owned()) } else { Ok(()) }
        });
        assert_eq!((outcome, count), (Err("broken".to_owned()), 3));
    }

    #[test]
    fn what_would_take_too_long_has_fewer_rounds_or_none() {
        let plan = Plan { limit: Duration::from_secs(60), ..Plan::named("usual").expect("a plan") };
        assert_eq!(affordable(&plan, None), 5);
        assert_eq!(affordable(&plan, Some(1.0)), 5);
        assert_eq!(affordable(&plan, Some(25.0)), 2);
        assert_eq!(affordable(&plan, Some(61.0)), 0);
        assert_eq!(affordable(&plan, Some(f64::INFINITY)), 0);
    }

    #[test]
    fn plans_grow() {
        for name in ["quick", "usual", "long"] {
            let plan = Plan::named(name).expect("a plan");
            assert!(plan.work.is_sorted() && plan.kept.is_sorted() && plan.rounds > 0, "{name}");
            assert!(plan.work.iter().all(|count| count % OPERATIONS == 0), "{name} has whole turns");
        }
        assert!(Plan::named("other").is_err());
    }
}
