//! The knowledge about the tiers of all processes: the registry's bytes, and the time that a deletion waits for.

use std::time::Duration;

use cachekit_backends::Version;

use super::{CLASSES, Classes, TRUSTED};

/// A registry that is no older counts as young, beside the staleness that is waited for: clocks of machines may differ by so much.
const CLOCKS_DIFFER: Duration = Duration::from_secs(60);

/// The entry that outlives registrations: which classes were registered since it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Registry {
    /// When it was made, in milliseconds of the wall clock.
    born: u64,
    /// A random number of each class that was registered, another one after each registration; zero of the others.
    stamps: Classes<u64>,
}

impl Registry {
    /// A registry that is made now.
    pub(super) fn new(born: u64) -> Self {
        Self { born, stamps: Classes::default() }
    }

    /// The same after the registration of a class.
    pub(super) fn with(mut self, class: usize) -> Self {
        self.stamps[class] = loop {
            // The half of a number that is random in all bits.
            match (Version::fresh().0 >> 64) as u64 {
                0 => {}
                stamp => break stamp,
            }
        };
        self
    }

    /// The same without the classes that are not among these.
    fn only(mut self, classes: Classes<bool>) -> Self {
        for (stamp, is_kept) in self.stamps.iter_mut().zip(classes) {
            *stamp = if is_kept { *stamp } else { 0 };
        }
        self
    }

    /// Whether it says that a class was registered.
    pub(super) fn has(&self, class: usize) -> bool {
        self.stamps[class] != 0
    }

    pub(super) fn to_bytes(self) -> Vec<u8> {
        std::iter::once(self.born).chain(self.stamps).flat_map(u64::to_le_bytes).collect()
    }

    /// Reads a registry; none of other bytes.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (numbers, []) = bytes.as_chunks() else { return None };
        let (born, stamps) = numbers.split_first()?;
        let stamps: &Classes<[u8; 8]> = stamps.try_into().ok()?;
        Some(Self { born: u64::from_le_bytes(*born), stamps: stamps.map(u64::from_le_bytes) })
    }

    /// Whether it may have been made less than `span` ago.
    fn is_young(&self, now: u64, span: Duration) -> bool {
        let span = u64::try_from((span + CLOCKS_DIFFER).as_millis()).unwrap_or(u64::MAX);
        now.saturating_sub(self.born) < span
    }
}

/// The answer to the question for tiers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    /// Which classes are registered.
    pub(super) registered: Classes<bool>,
    pub(super) registry: Option<Registry>,
    /// When the question was sent.
    pub(super) asked: Duration,
    /// When the answer was there.
    pub(super) answered: Duration,
    /// The same, in milliseconds of the wall clock.
    pub(super) wall: u64,
}

/// The knowledge of a process that deletes.
///
/// A class that is registered is waited for. One that was registered and is not any more may have been lost a moment ago, with
/// its tiers not knowing it: they may serve for their staleness from then on, which deletions wait for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tiers {
    /// How long a tier may serve that the backend knows nothing of: zero in a fleet without tiers.
    unknown: Duration,
    last: Option<Answer>,
    /// Until when tiers may serve whose registration is lost.
    lost_until: Duration,
}

/// The time that a deletion waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wait {
    /// From the mark on.
    since_mark: Duration,
    /// A moment.
    until: Duration,
}

impl Tiers {
    pub(super) fn new(unknown: Duration) -> Self {
        Self { unknown, last: None, lost_until: Duration::ZERO }
    }

    /// Whether the question has been asked so short ago that no tier has served since that it did not show.
    pub(super) fn is_trusted(&self, now: Duration) -> bool {
        self.last.is_some_and(|last| now < last.asked + TRUSTED)
    }

    /// Learns an answer, unless a later one is known.
    pub(super) fn learn(&mut self, answer: Answer) {
        if self.last.is_some_and(|last| answer.asked < last.asked) {
            return;
        }
        let lost = self.longest_lost(&answer).map(with_margin);
        let unknown = self.is_unknown(&answer).then(|| with_margin(self.unknown));
        if let Some(span) = lost.max(unknown) {
            self.lost_until = self.lost_until.max(answer.answered + span);
        }
        self.last = Some(answer);
    }

    /// The longest staleness of a class that an answer lacks, and that was registered since the last one or at it.
    fn longest_lost(&self, answer: &Answer) -> Option<Duration> {
        let stamp =
            |answer: &Answer, class: usize| answer.registry.map_or(0, |registry| registry.stamps[class]);
        let was = |class: usize| {
            let (before, recorded) = (self.last.as_ref(), stamp(answer, class));
            // The same stamp says nothing new.
            before.is_some_and(|last| last.registered[class])
                || (recorded != 0 && before.is_none_or(|last| stamp(last, class) != recorded))
        };
        longest((0..CLASSES.len()).map(|class| was(class) && !answer.registered[class]))
    }

    /// Whether the backend may have lost what it knew, for all that this process knows.
    fn is_unknown(&self, answer: &Answer) -> bool {
        if self.unknown.is_zero() {
            return false;
        }
        match (self.last, answer.registry) {
            (None, Some(registry)) => registry.is_young(answer.wall, self.unknown),
            (Some(Answer { registry: Some(last), .. }), Some(registry)) => last.born != registry.born,
            (_, None) | (Some(_), Some(_)) => true,
        }
    }

    /// Whether this process is to make the registry that is missing, so that later ones need not wait.
    pub(super) fn makes_registry(&self) -> bool {
        !self.unknown.is_zero() && self.last.is_some_and(|last| last.registry.is_none())
    }

    /// Learns that this process has made the registry.
    pub(super) fn made(&mut self, registry: Registry) {
        if let Some(last) = &mut self.last {
            last.registry = Some(registry);
        }
    }

    /// The registry to be made at a moment of the wall clock after all was removed; none in a fleet without tiers.
    pub(super) fn restored(&self, wall: u64) -> Option<Registry> {
        let last = self.last?;
        let may_serve = |class: &usize| {
            last.registered[*class] || last.registry.is_some_and(|registry| registry.has(*class))
        };
        let registry = (0..CLASSES.len()).filter(may_serve).fold(Registry::new(wall), Registry::with);
        (registry != Registry::new(wall) || !self.unknown.is_zero()).then_some(registry)
    }

    /// The registry, if it has classes that are not registered and whose tiers serve no more, and what it may say instead.
    pub(super) fn outdated(&self, now: Duration) -> Option<(Registry, Registry)> {
        let last = self.last.filter(|_| now >= self.lost_until)?;
        let registry = last.registry?;
        Some((registry, registry.only(last.registered))).filter(|(old, new)| old != new)
    }

    /// The time that a deletion waits for; none if no tier can serve.
    pub(super) fn wait(&self, now: Duration) -> Option<Wait> {
        let last = self.last?;
        let since_mark = longest(last.registered).map(with_margin);
        let wait = Wait { since_mark: since_mark.unwrap_or_default(), until: self.lost_until };
        (since_mark.is_some() || now < self.lost_until).then_some(wait)
    }
}

impl Wait {
    /// How long it is from a moment after the mark was made.
    pub(super) fn from(self, now: Duration) -> Duration {
        self.since_mark.max(self.until.saturating_sub(now))
    }
}

/// The longest staleness of the classes for which this says so, in their order.
fn longest(classes: impl IntoIterator<Item = bool>) -> Option<Duration> {
    CLASSES.into_iter().zip(classes).filter_map(|(class, is)| is.then_some(class)).max()
}

/// A percent more for clocks that run apart, and a tick.
fn with_margin(span: Duration) -> Duration {
    span + span / 100 + Duration::from_millis(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: usize = CLASSES.len() - 1;
    const WALL: u64 = 1_700_000_000_000;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn old() -> Registry {
        Registry::new(WALL - 3_600_000)
    }

    /// The answer at a second, with these classes.
    fn answer(at: u64, classes: &[usize], registry: Option<Registry>) -> Answer {
        let registered = std::array::from_fn(|class| classes.contains(&class));
        Answer { registered, registry, asked: seconds(at), answered: seconds(at), wall: WALL }
    }

    /// How long a deletion at a second waits.
    fn waits(tiers: &Tiers, at: u64) -> Duration {
        tiers.wait(seconds(at)).map_or(Duration::ZERO, |wait| wait.from(seconds(at)))
    }

    #[test]
    fn a_registry_comes_back_and_other_bytes_are_none() {
        for registry in [Registry::new(7), Registry::new(WALL).with(LONG), Registry::new(7).with(0)] {
            let bytes = registry.to_bytes();
            assert_eq!(Registry::from_bytes(&bytes), Some(registry));
            assert_eq!(Registry::from_bytes(&bytes[1..]), None);
            assert_eq!(Registry::from_bytes(&[&bytes[..], b"x"].concat()), None);
        }
        assert!(Registry::new(7).with(LONG).with(0).has(LONG));
        assert!(!Registry::new(7).with(LONG).has(2));
        assert_ne!(Registry::new(7).with(1), Registry::new(7).with(1), "each registration shows");
    }

    #[test]
    fn a_fleet_without_tiers_never_waits_whatever_the_backend_has_lost() {
        let mut tiers = Tiers::new(Duration::ZERO);
        for (at, registry) in [(1, None), (2, Some(old())), (3, None), (4, Some(Registry::new(WALL)))] {
            tiers.learn(answer(at, &[], registry));
            assert_eq!(tiers.wait(seconds(at)), None, "{at}");
            assert!(!tiers.makes_registry());
        }
    }

    #[test]
    fn a_registered_class_is_waited_for_from_the_mark_on() {
        let mut tiers = Tiers::new(Duration::ZERO);
        tiers.learn(answer(1, &[0, 3], Some(old().with(3))));
        assert_eq!(waits(&tiers, 1), with_margin(CLASSES[3]));
        assert_eq!(waits(&tiers, 100), with_margin(CLASSES[3]));
    }

    /// Every process that asks first after the loss waits, at every deletion.
    #[test]
    fn a_lost_registration_is_waited_for_by_every_deletion_until_its_tiers_serve_no_more() {
        let recorded = old().with(LONG);
        let mut knew = Tiers::new(Duration::ZERO);
        knew.learn(answer(1, &[LONG], Some(recorded)));
        let fresh = Tiers::new(Duration::ZERO);
        for mut tiers in [knew, fresh] {
            tiers.learn(answer(50, &[], Some(recorded)));
            assert_eq!(waits(&tiers, 50), with_margin(seconds(10)));
            tiers.learn(answer(54, &[], Some(recorded)));
            assert_eq!(
                waits(&tiers, 54),
                with_margin(seconds(10)).saturating_sub(seconds(4)),
                "the same loss"
            );
            assert_eq!(tiers.outdated(seconds(54)), None);
            assert_eq!(waits(&tiers, 61), Duration::ZERO);
        }
    }

    /// The registrations and the registry are lost together.
    #[test]
    fn a_process_that_knew_waits_where_all_is_lost() {
        let mut tiers = Tiers::new(Duration::ZERO);
        tiers.learn(answer(1, &[LONG], Some(old().with(LONG))));
        tiers.learn(answer(50, &[], None));
        assert_eq!(waits(&tiers, 50), with_margin(seconds(10)));
    }

    /// Registered, lost, registered and lost again between two questions.
    #[test]
    fn a_second_loss_that_was_not_seen_is_waited_for() {
        let mut tiers = Tiers::new(Duration::ZERO);
        tiers.learn(answer(1, &[], Some(old().with(LONG))));
        let again = old().with(LONG);
        tiers.learn(answer(50, &[], Some(again)));
        assert_eq!(waits(&tiers, 50), with_margin(seconds(10)));
    }

    /// A process whose configuration says that there are tiers, on a backend that knows of none.
    #[test]
    fn a_missing_or_young_registry_is_waited_for() {
        for registry in [None, Some(Registry::new(WALL)), Some(Registry::new(WALL - 65_000))] {
            let mut tiers = Tiers::new(seconds(10));
            tiers.learn(answer(1, &[], registry));
            assert_eq!(waits(&tiers, 1), with_margin(seconds(10)), "{registry:?}");
            assert_eq!(tiers.makes_registry(), registry.is_none());
            let registry = registry.unwrap_or_else(|| Registry::new(WALL));
            tiers.made(registry);
            assert_eq!(waits(&tiers, 5), with_margin(seconds(10)).saturating_sub(seconds(4)));
            tiers.learn(answer(12, &[], Some(registry)));
            assert_eq!(waits(&tiers, 12), Duration::ZERO, "{registry:?}: this process has seen all of it");
        }
        for later in [None, Some(Registry::new(WALL))] {
            let mut tiers = Tiers::new(seconds(10));
            tiers.learn(answer(1, &[], Some(old())));
            assert_eq!(waits(&tiers, 1), Duration::ZERO);
            tiers.learn(answer(20, &[], later));
            assert_eq!(waits(&tiers, 20), with_margin(seconds(10)), "{later:?}: what was there is lost");
        }
    }

    /// The process that clears tells the others of the tiers whose registrations it removed.
    #[test]
    fn after_a_removal_of_all_the_registry_says_what_was_there() {
        let mut tiers = Tiers::new(Duration::ZERO);
        tiers.learn(answer(1, &[], Some(old())));
        assert_eq!(tiers.restored(WALL), None, "a fleet without tiers");
        tiers.learn(answer(2, &[1], Some(old().with(1))));
        let restored = tiers.restored(WALL).unwrap();
        let mut other = Tiers::new(Duration::ZERO);
        other.learn(answer(3, &[], Some(restored)));
        assert_eq!(waits(&other, 3), with_margin(CLASSES[1]));
        tiers.made(restored);
        tiers.learn(answer(4, &[], Some(restored)));
        assert_eq!(waits(&tiers, 4), with_margin(CLASSES[1]));
    }

    #[test]
    fn a_registry_whose_tiers_are_gone_is_lowered_once_they_serve_no_more() {
        let mut tiers = Tiers::new(Duration::ZERO);
        let registry = old().with(1).with(LONG);
        tiers.learn(answer(1, &[1], Some(registry)));
        assert_eq!(tiers.outdated(seconds(1)), None);
        assert_eq!(
            tiers.restored(WALL).map(|registry| [0, 1, LONG].map(|class| registry.has(class))),
            Some([false, true, true])
        );
        tiers.learn(answer(12, &[1], Some(registry)));
        let (found, lowered) = tiers.outdated(seconds(12)).unwrap();
        assert_eq!((found, lowered.born), (registry, registry.born));
        assert!(lowered.has(1) && !lowered.has(LONG));
        tiers.learn(answer(13, &[1], Some(lowered)));
        assert_eq!(tiers.outdated(seconds(13)), None);
        assert_eq!(waits(&tiers, 13), with_margin(CLASSES[1]));
    }

    /// Two threads ask; the answer to the first question comes last.
    #[test]
    fn an_answer_to_an_earlier_question_changes_nothing() {
        let mut tiers = Tiers::new(Duration::ZERO);
        tiers.learn(answer(5, &[LONG], None));
        tiers.learn(answer(4, &[], None));
        assert_eq!(waits(&tiers, 5), with_margin(seconds(10)));
        assert!(tiers.is_trusted(seconds(5)) && !tiers.is_trusted(seconds(6)));
    }
}
