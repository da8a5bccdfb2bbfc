//! How available a target is, how available its alias should be by that, and how available clients found it.
//!
//! Three figures for each alias, side by side:
//!
//! - **R_ind** = 1 - prod(1 - R_i): what its targets promise together if they fail independently;
//! - **R_chain** = 1 - q_1 * q_2|1 * q_3|12: the same from cascades that really happened, where the second target is
//!   judged by what it did after the first had failed. R_ind - R_chain is the price of failing together;
//! - **R_obs**: the share of requests that were answered. R_chain - R_obs is the price of our own logic: candidates that
//!   were skipped, deadlines, rate limits.
//!
//! The sample is a request's first turn at a target: the call, and a retry at once where there is one. What a second
//! round repairs is the merit of our logic. R_i comes only from calls that were made because the target stood first (and from twins); a standby that is called only after
//! others failed is seen in bad times alone, and R_ind would silently become R_chain.
//!
//! No clock of its own: time comes with each note. Bounded by the configuration: names that clients make up count for
//! nobody. One short lock for each ended request.

mod beta;
mod counts;
mod report;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use self::counts::Faded;
pub use self::counts::{ENOUGH_SAMPLES, Estimate, HalfLife};
pub use self::report::{AliasReport, ByHalfLife, Chain, Overlap, Prediction, Report, TargetReport};
use crate::class::Class;
use crate::note::{Note, Outcome, Tried, Verdict};
use crate::record::Record;
use crate::rule::Vote;
use crate::settings::Alias;
use crate::target::TargetId;

/// Most aliases that are watched; those beyond are not reported.
const ALIASES_CAP: usize = 1_024;
/// Most targets of an alias that are watched: pairs grow with the square. An alias of more is watched for these.
const TARGETS_CAP: usize = 16;

/// Everything that is known about availability.
pub struct Availability(Mutex<Book>);

impl fmt::Debug for Availability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Availability").field("aliases", &self.lock().aliases.len()).finish_non_exhaustive()
    }
}

#[derive(Clone, Debug, Default)]
struct Book {
    aliases: BTreeMap<Arc<str>, Page>,
    /// What targets did when they stood first.
    alone: HashMap<TargetId, Faded>,
    /// Requests that are in no figure, for they met an injected fault.
    left_out: u64,
    /// None is left out: an experiment is judged by what it did.
    everything: bool,
}

/// One alias.
#[derive(Clone, Debug)]
struct Page {
    alias: Arc<Alias>,
    /// What clients saw.
    observed: Faded,
    /// By the number of targets that had failed before.
    steps: Vec<Faded>,
    /// What a target did after another had failed in the same request: by place of the one, then of the other.
    after: Vec<Faded>,
}

impl Default for Availability {
    fn default() -> Self {
        Self::new()
    }
}

impl Availability {
    /// Knows no alias yet.
    pub fn new() -> Self {
        Self(Mutex::default())
    }

    /// Counts what is injected, too.
    pub fn of_everything() -> Self {
        Self(Mutex::new(Book { everything: true, ..Book::default() }))
    }

    /// The aliases as they now are. Those that kept their targets keep their figures, and so do the targets.
    pub fn configure<'a>(&self, aliases: impl IntoIterator<Item = &'a Arc<Alias>>, now: Instant) {
        let mut book = self.lock();
        let mut before = std::mem::take(&mut book.aliases);
        for alias in aliases.into_iter().take(ALIASES_CAP) {
            let page = match before.remove(&alias.name).filter(|page| page.is_of(alias)) {
                Some(page) => Page { alias: Arc::clone(alias), ..page },
                None => Page::new(alias, now),
            };
            book.aliases.insert(Arc::clone(&alias.name), page);
        }
        let mut known = std::mem::take(&mut book.alone);
        let targets = book.aliases.values().flat_map(|page| page.targets().cloned());
        book.alone = targets
            .map(|target| {
                let kept = known.remove(&target).unwrap_or_else(|| Faded::new(now));
                (target, kept)
            })
            // A target of two aliases was taken by the first.
            .fold(HashMap::new(), |mut all, (target, faded)| {
                all.entry(target).or_insert(faded);
                all
            });
    }

    /// Takes in what happened.
    pub fn note(&self, note: &Note, now: Instant) {
        match note {
            Note::RequestEnded(record) => self.lock().ended(record, now),
            Note::TwinEnded { twin, .. } => {
                let twin = &twin.call;
                let verdict = twin.failure().map_or(Verdict::Served, |broke| Verdict::Failed(broke.class));
                let mut book = self.lock();
                let is_news = book.everything || !twin.misleads();
                if let Some(good) = says(verdict).filter(|_| is_news) {
                    book.alone(&twin.target, good, now);
                }
            }
            _ => {}
        }
    }

    /// What follows, as of now.
    pub fn report(&self, now: Instant) -> Report {
        // Bands take a while; requests do not wait for them.
        let book = self.lock().clone();
        report::of(&book, now)
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn ended(&mut self, record: &Record, now: Instant) {
        if !self.everything && record.misleads() {
            self.left_out += 1;
            return;
        }
        for (target, good) in record.tried.iter().filter(|tried| tried.unprompted).filter_map(judged) {
            self.alone(target, good, now);
        }
        if let Some(page) = self.aliases.get_mut(&record.model) {
            page.ended(seen(record.outcome, record.class), &record.tried, now);
        }
    }

    fn alone(&mut self, target: &TargetId, good: bool, now: Instant) {
        if let Some(counts) = self.alone.get_mut(target) {
            counts.add(good, now);
        }
    }
}

impl Page {
    fn new(alias: &Arc<Alias>, now: Instant) -> Self {
        let targets = alias.targets.len().min(TARGETS_CAP);
        Self {
            alias: Arc::clone(alias),
            observed: Faded::new(now),
            steps: vec![Faded::new(now); targets],
            after: vec![Faded::new(now); targets * targets],
        }
    }

    fn is_of(&self, alias: &Alias) -> bool {
        self.targets().eq(alias.targets.iter().map(|target| &target.id).take(TARGETS_CAP))
    }

    fn targets(&self) -> impl Iterator<Item = &TargetId> {
        self.alias.targets.iter().map(|target| &target.id).take(TARGETS_CAP)
    }

    fn ended(&mut self, seen: Option<bool>, tried: &[Tried], now: Instant) {
        if let Some(good) = seen {
            self.observed.add(good, now);
        }
        // A link of the chain is a target that was called after all before it had failed: whatever is not known to have
        // failed breaks it.
        for (step, tried) in self.steps.iter_mut().zip(tried) {
            let Some((_, good)) = judged(tried) else { break };
            step.add(good, now);
            if good {
                break;
            }
        }
        // Nearly every request ends here, at its first target.
        if tried.len() < 2 {
            return;
        }
        for (at, later) in tried.iter().enumerate().skip(1) {
            let Some((target, good)) = judged(later) else { continue };
            for earlier in tried.iter().take(at) {
                if let Some((failed, false)) = judged(earlier)
                    && let Some(pair) = self.pair(failed, target)
                {
                    pair.add(good, now);
                }
            }
        }
    }

    fn pair(&mut self, failed: &TargetId, later: &TargetId) -> Option<&mut Faded> {
        let place = |wanted: &TargetId| self.targets().position(|target| target == wanted);
        let at = place(failed)? * self.steps.len() + place(later)?;
        self.after.get_mut(at)
    }
}

fn judged(tried: &Tried) -> Option<(&TargetId, bool)> {
    Some((&tried.target, says(tried.verdict)?))
}

/// What a verdict says about the target; nothing where the fault may be somebody else's.
fn says(verdict: Verdict) -> Option<bool> {
    match verdict {
        Verdict::Served => Some(true),
        Verdict::Failed(class) => counts_against(class).then_some(false),
        Verdict::Unknown => None,
    }
}

/// Failures that a breaker would count. Of a request whose own time ran out nobody knows whether a target had its fair
/// share of it.
fn counts_against(class: Class) -> bool {
    match class.rule().vote {
        Vote::Fail | Vote::Soft | Vote::IfPatient => true,
        Vote::None | Vote::IfFairShare => false,
    }
}

/// What a client saw; nothing where it left or its request would have failed everywhere.
pub(crate) fn seen(outcome: Outcome, class: Option<Class>) -> Option<bool> {
    /// Bad request, no such model, gone.
    const ITS_OWN: [u16; 3] = [400, 404, 499];
    match outcome {
        Outcome::Primary | Outcome::Fallback => Some(true),
        Outcome::Cancelled => None,
        Outcome::Failed | Outcome::Interrupted => {
            let own = class.is_some_and(|class| ITS_OWN.contains(&class.rule().client.status));
            (!own).then_some(false)
        }
    }
}
