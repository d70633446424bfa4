//! Networks: an address and how many of its bits count.

use std::net::IpAddr;

/// Whether an address is in a network. The families don't mix.
pub(crate) fn within(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    let (a, n, width) = match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(n)) => (u128::from(a.to_bits()), u128::from(n.to_bits()), 32),
        (IpAddr::V6(a), IpAddr::V6(n)) => (a.to_bits(), n.to_bits(), 128),
        _ => return false,
    };
    let shift = width - u32::from(bits).min(width);
    a.checked_shr(shift).unwrap_or(0) == n.checked_shr(shift).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_matched_by_prefix() {
        let ip = |s: &str| s.parse::<IpAddr>().unwrap();
        assert!(within(ip("10.1.2.3"), ip("10.0.0.0"), 8));
        assert!(!within(ip("11.1.2.3"), ip("10.0.0.0"), 8));
        assert!(within(ip("11.1.2.3"), ip("0.0.0.0"), 0));
        assert!(within(ip("fe80::1"), ip("fe80::"), 10));
        assert!(!within(ip("10.1.2.3"), ip("::"), 0));
    }
}
