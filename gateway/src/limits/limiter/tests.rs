//! Tests of the limiter, by a clock set by hand.

use std::net::{IpAddr, Ipv4Addr};

use governor::clock::FakeRelativeClock;

use super::*;

fn limit(name: &'static str, requests: u32, window: Duration, burst: u32) -> Limit {
    let nonzero = |n| NonZeroU32::new(n).unwrap();
    Limit { name, requests: nonzero(requests), window, burst: nonzero(burst) }
}

fn limiter(keys_max: usize) -> (FakeRelativeClock, Limiter<FakeRelativeClock>) {
    let clock = FakeRelativeClock::default();
    let settings = LimitSettings {
        address: limit("address", 10, Duration::from_secs(1), 3),
        credential: limit("credential", 60, Duration::from_mins(1), 2),
        keys_max,
    };
    (clock.clone(), Limiter::with_clock(settings, &clock).unwrap())
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn v4(n: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from_bits(n))
}

fn refused(policy: &'static str, quota: u32, retry_after: Duration) -> Refusal {
    let window = Duration::from_secs(if policy == "address" { 1 } else { 60 });
    Refusal::TooManyRequests { policy: policy.into(), quota, window, retry_after, fair_use: true }
}

#[test]
fn admits_the_burst_and_then_one_per_interval() {
    let (clock, limiter) = limiter(100);
    let peer = ip("192.0.2.1");
    for _ in 0..3 {
        limiter.admit_address(peer).unwrap();
    }
    let interval = Duration::from_millis(100);
    assert_eq!(limiter.admit_address(peer), Err(refused("address", 10, interval)));
    clock.advance(Duration::from_millis(60));
    let left = Duration::from_millis(40);
    assert_eq!(limiter.admit_address(peer), Err(refused("address", 10, left)));
    clock.advance(left);
    limiter.admit_address(peer).unwrap();
    assert!(limiter.admit_address(peer).is_err());
    limiter.admit_address(ip("192.0.2.2")).unwrap();
}

#[test]
fn counts_an_ipv6_site_as_one() {
    let (_, limiter) = limiter(100);
    for peer in ["2001:db8::1", "2001:db8::2", "2001:db8::ffff:1"] {
        limiter.admit_address(ip(peer)).unwrap();
    }
    assert!(limiter.admit_address(ip("2001:db8:0:0:1::")).is_err(), "the same /64");
    limiter.admit_address(ip("2001:db8:0:1::1")).unwrap();
}

#[test]
fn counts_a_mapped_address_as_the_ipv4_it_is() {
    let (_, limiter) = limiter(100);
    for peer in ["192.0.2.1", "::ffff:192.0.2.1", "192.0.2.1"] {
        limiter.admit_address(ip(peer)).unwrap();
    }
    assert!(limiter.admit_address(ip("::ffff:192.0.2.1")).is_err());
    limiter.admit_address(ip("::ffff:192.0.2.2")).unwrap();
}

#[test]
fn counts_credentials_by_organisation_and_tells_what_is_left() {
    let (clock, limiter) = limiter(100);
    let (one, other) = (TenantId::parse("one").unwrap(), TenantId::parse("other").unwrap());
    let remaining = limiter.admit_credential(&one, "k").unwrap();
    assert_eq!((remaining.policy, remaining.quota, remaining.requests), ("credential", 60, 1));
    assert_eq!(limiter.admit_credential(&one, "k").unwrap().requests, 0);
    let refusal = refused("credential", 60, Duration::from_secs(1));
    assert_eq!(limiter.admit_credential(&one, "k"), Err(refusal));
    limiter.admit_credential(&other, "k").unwrap();
    limiter.admit_credential(&one, "l").unwrap();
    clock.advance(Duration::from_secs(1));
    limiter.admit_credential(&one, "k").unwrap();
}

#[test]
fn a_full_table_refuses_newcomers_and_serves_the_known() {
    let (clock, limiter) = limiter(4);
    for n in 0..4 {
        limiter.admit_address(v4(n)).unwrap();
    }
    let wait = Duration::from_secs(1);
    assert_eq!(limiter.admit_address(v4(9)), Err(refused("address", 10, wait)));
    limiter.admit_address(v4(0)).unwrap();
    assert_eq!(limiter.addresses.limiter.len(), 4);
    clock.advance(wait);
    limiter.admit_address(v4(9)).unwrap();
    assert_eq!(limiter.addresses.limiter.len(), 1, "the idle were forgotten to make room");
}

#[test]
fn making_room_forgets_no_key_that_has_used_its_allowance() {
    let (clock, limiter) = limiter(2);
    limiter.admit_address(v4(1)).unwrap();
    clock.advance(Duration::from_secs(1));
    for _ in 0..3 {
        limiter.admit_address(v4(2)).unwrap();
    }
    limiter.admit_address(v4(3)).unwrap();
    assert!(limiter.admit_address(v4(2)).is_err(), "it kept its count");
}

#[test]
fn shrinking_forgets_the_idle() {
    let (clock, limiter) = limiter(100);
    for n in 0..50 {
        limiter.admit_address(v4(n)).unwrap();
    }
    limiter.shrink();
    assert_eq!(limiter.addresses.limiter.len(), 50);
    clock.advance(Duration::from_secs(2));
    limiter.shrink();
    assert!(limiter.addresses.limiter.is_empty());
}

#[test]
fn many_threads_get_no_more_than_the_burst() {
    let (_, limiter) = limiter(100);
    let admitted = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..50 {
                    if limiter.admit_address(v4(1)).is_ok() {
                        admitted.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert_eq!(admitted.into_inner(), 3);
    assert_eq!(limiter.addresses.limiter.len(), 1);
}

#[test]
fn rejects_limits_it_cannot_keep() {
    let fine = LimitSettings::default();
    assert!(Limiter::new(fine).is_ok());
    let none = limit("address", 1, Duration::ZERO, 1);
    let fast = limit("address", 2, Duration::from_nanos(1), 1);
    let slow = limit("address", 1, Duration::from_secs(u64::MAX / 2), u32::MAX);
    for (address, error) in [
        (none, LimitError::Window("address")),
        (fast, LimitError::Window("address")),
        (slow, LimitError::TooSlow("address")),
    ] {
        assert_eq!(Limiter::new(LimitSettings { address, ..fine }).unwrap_err(), error);
    }
}
