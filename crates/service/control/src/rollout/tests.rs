//! What a rollout decides.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn version(number: u64) -> VersionNumber {
    number.try_into().unwrap()
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

fn sample(requests: u64, failures: u64, p95_ms: u64) -> Sample {
    Sample { requests, failures, p95: (requests > 0).then_some(Duration::from_millis(p95_ms)) }
}

fn rollout() -> Rollout {
    let (rollout, action) = Rollout::start(RolloutConfig::new(), version(3), version(4), at(0));
    assert_eq!(action, RolloutAction::SetWeight(10));
    rollout
}

#[test]
fn a_good_version_gets_everything_step_by_step() {
    let good = Observation { old: sample(900, 9, 20), new: sample(100, 1, 21) };
    let first = rollout();
    assert_eq!(first.step(&good, at(59)), (first.clone(), RolloutAction::Wait), "too early");
    let (second, action) = first.step(&good, at(60));
    assert_eq!((second.percent(), action), (50, RolloutAction::SetWeight(50)));
    assert_eq!(second.step(&good, at(119)).1, RolloutAction::Wait, "the interval begins anew");
    assert_eq!(second.step(&good, at(120)).1, RolloutAction::Complete);
}

#[test]
fn one_step_is_complete_at_once() {
    let config = RolloutConfig::new().with_steps(vec![100]).unwrap();
    let (rollout, action) = Rollout::start(config, version(1), version(2), at(0));
    assert_eq!((rollout.percent(), action), (100, RolloutAction::Complete));
}

#[test]
fn decisions() {
    let back = |reason: &str| RolloutAction::RollBack { reason: reason.into() };
    let next = RolloutAction::SetWeight(50);
    for (old, new, expected) in [
        // Too few requests.
        (sample(900, 0, 10), sample(49, 0, 10), RolloutAction::Wait),
        (sample(0, 0, 0), sample(0, 0, 0), RolloutAction::Wait),
        // As good as the other one, or within the margins.
        (sample(900, 0, 10), sample(50, 0, 10), next.clone()),
        (sample(900, 0, 10), sample(100, 1, 10), next.clone()),
        (sample(900, 90, 10), sample(100, 11, 10), next.clone()),
        (sample(900, 0, 100), sample(100, 0, 150), next.clone()),
        (sample(900, 0, 1), sample(100, 0, 11), next.clone()),
        // Failing more often than the other one.
        (sample(900, 0, 10), sample(100, 2, 10), back("version v4 failed 2 of 100 requests, version v3 0 of 900")),
        (sample(900, 90, 10), sample(100, 12, 10), back("version v4 failed 12 of 100 requests, version v3 90 of 900")),
        // Failing so often that the requests that are missing would not help.
        (sample(900, 0, 10), sample(1, 1, 10), back("version v4 failed 1 of 1 requests, version v3 0 of 900")),
        (sample(900, 90, 10), sample(5, 5, 10), RolloutAction::Wait),
        (sample(900, 90, 10), sample(6, 6, 10), back("version v4 failed 6 of 6 requests, version v3 90 of 900")),
        // Slower, by more than the slack.
        (
            sample(900, 0, 100),
            sample(100, 0, 151),
            back("95 % of the requests took version v4 up to 151.0 ms, and version v3 up to 100.0 ms"),
        ),
        (
            sample(900, 0, 1),
            sample(100, 0, 12),
            back("95 % of the requests took version v4 up to 12.0 ms, and version v3 up to 1.0 ms"),
        ),
        // Slower, where one of the two has too few requests to tell.
        (sample(49, 0, 100), sample(100, 0, 500), next.clone()),
        (sample(900, 0, 100), sample(49, 0, 500), RolloutAction::Wait),
        // Nobody uses the old one any more.
        (sample(0, 0, 0), sample(100, 1, 500), next.clone()),
        (sample(0, 0, 0), sample(100, 2, 500), back("version v4 failed 2 of 100 requests, version v3 0 of 0")),
    ] {
        assert_eq!(rollout().step(&Observation { old, new }, at(60)).1, expected, "{old:?} {new:?}");
    }
}

#[test]
fn what_cannot_be_configured() {
    let config = RolloutConfig::new;
    let tall: Vec<u8> = (80..=100).collect();
    for steps in [&[][..], &[0, 100], &[10, 10, 100], &[50, 10, 100], &[10, 50], &[101], &[10, 100, 101], &tall] {
        assert_eq!(config().with_steps(steps.to_vec()), Err(InvalidRollout::Steps), "{steps:?}");
    }
    for steps in [&[100][..], &[1, 100], &tall[1..]] {
        assert!(config().with_steps(steps.to_vec()).is_ok(), "{steps:?}");
    }
    for (interval, is_fine) in [(SECOND, true), (SECOND / 2, false), (INTERVAL_MAX, true), (INTERVAL_MAX * 2, false)] {
        assert_eq!(config().with_interval(interval).is_ok(), is_fine, "{interval:?}");
    }
    assert_eq!(config().with_latency_factor_percent(99), Err(InvalidRollout::Factor));
    assert_eq!(config().with_failures_margin_permille(1_000), Err(InvalidRollout::Margin));
}

#[test]
fn what_was_counted_before_a_look_does_not_count_after_it() {
    let (first, anew) = (Arc::new(()), Arc::new(()));
    let counts = |load: &Arc<()>, failures, millis: &[u64]| {
        let mut latencies = LatencyHistogram::new();
        millis.iter().for_each(|millis| latencies.record(Duration::from_millis(*millis)));
        let loaded: Weak<()> = Arc::downgrade(load);
        Counts { loaded, failures, latencies }
    };
    let p95 = |millis| Some(LatencyHistogram::upper_bound(LatencyHistogram::bucket(Duration::from_millis(millis))));
    let earlier = counts(&first, 2, &[900, 900, 1]);
    for (now, expected) in [
        (earlier.clone(), Sample::default()),
        (counts(&first, 3, &[900, 900, 1, 4, 5]), Sample { requests: 2, failures: 1, p95: p95(5) }),
        // Loaded anew: with fewer requests, and with more.
        (counts(&anew, 0, &[7]), Sample { requests: 1, failures: 0, p95: p95(7) }),
        (counts(&anew, 3, &[900, 900, 1, 4]), Sample { requests: 4, failures: 3, p95: p95(900) }),
    ] {
        assert_eq!(now.since(Some(&earlier)), expected);
    }
    assert_eq!(earlier.since(None).requests, 3);
}

/// Changing this strands the rollouts of every node: old fields have to be read.
#[test]
fn golden() {
    let json = concat!(
        r#"{"config":{"steps":[10,50,100],"interval_ms":60000,"requests_min":50,"failures_margin_permille":10,"#,
        r#""latency_factor_percent":150,"latency_slack_ms":10},"new":4,"old":3,"step":0,"since":0}"#,
    );
    assert_eq!(serde_json::to_string(&rollout()).unwrap(), json);
    assert_eq!(serde_json::from_str::<Rollout>(json).unwrap(), rollout());
    assert!(serde_json::from_str::<Rollout>(&json.replace("50,100", "5,100")).is_err());
}

fn samples() -> impl Strategy<Value = Sample> {
    let counts = prop_oneof![0..200_u64, any::<u64>()];
    (counts.clone(), counts, prop_oneof![0..1_000_u64, any::<u64>()]).prop_map(|(requests, failures, micros)| Sample {
        requests,
        failures,
        p95: (requests > 0).then_some(Duration::from_micros(micros)),
    })
}

proptest! {
    #[test]
    fn every_observation_has_an_answer(old in samples(), new in samples(), seconds in 0..200_u64, margin in 0..1_000_u32) {
        let config = RolloutConfig::new().with_failures_margin_permille(margin).unwrap();
        let (before, _) = Rollout::start(config, version(3), version(4), at(0));
        let (after, action) = before.step(&Observation { old, new }, at(seconds));
        match action {
            RolloutAction::SetWeight(percent) => {
                prop_assert!(percent == after.percent() && percent > before.percent());
                prop_assert!(new.requests >= 50 && seconds >= 60);
            }
            RolloutAction::Wait => prop_assert!(after == before && (new.requests < 50 || seconds < 60)),
            RolloutAction::RollBack { .. } => prop_assert!(after == before && (new.requests > 0 || new.failures > 0)),
            RolloutAction::Complete => prop_assert!(false, "there is a step in between"),
        }
    }

    /// A version that is no worse than the other one is never rolled back, and one that has gone wrong never goes on.
    #[test]
    fn equals_go_on_and_worse_ones_go_back(requests in 50..1_000_000_u64, failed in 0..=1_000_u64, worse in 11..=1_000_u64) {
        let failures = requests * failed / 1_000;
        let equal = sample(requests, failures, 10);
        let (_, action) = rollout().step(&Observation { old: equal, new: equal }, at(60));
        prop_assert_eq!(action, RolloutAction::SetWeight(50));
        let more = (failures + (requests * worse).div_ceil(1_000)).min(requests);
        let new = sample(requests, more, 10);
        // 1 percentage point is the margin.
        if (more - failures) * 1_000 > requests * 10 {
            let (_, action) = rollout().step(&Observation { old: equal, new }, at(60));
            let is_rolled_back = matches!(action, RolloutAction::RollBack { .. });
            prop_assert!(is_rolled_back);
        }
    }
}
