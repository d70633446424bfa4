//! The hashes of fetches, converters and balancing.

/// Mixes a hash so that each bit of it depends on all of them: Bob Jenkins' full avalanche (public domain), and a
/// multiplication after it, by the one number that leads from there to what HAProxy answers.
pub fn avalanche(hash: u32) -> u32 {
    let mut a = hash;
    a = a.wrapping_add(0x7ed5_5d16).wrapping_add(a << 12);
    a = (a ^ 0xc761_c23c) ^ (a >> 19);
    a = a.wrapping_add(0x1656_67b1).wrapping_add(a << 5);
    a = a.wrapping_add(0xd3a2_646c) ^ (a << 9);
    a = a.wrapping_add(0xfd70_46c5).wrapping_add(a << 3);
    ((a ^ 0xb55a_4f09) ^ (a >> 16)).wrapping_mul(0xc000_0001)
}

/// The hash of the sdbm database library, continued from `start`.
pub fn sdbm(start: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(start, |hash, byte| {
        u32::from(*byte)
            .wrapping_add(hash << 6)
            .wrapping_add(hash << 16)
            .wrapping_sub(hash)
    })
}

/// Dan Bernstein's hash: times 33 and plus.
pub fn djb2(bytes: &[u8]) -> u32 {
    bytes.iter().fold(5381u32, |hash, byte| {
        hash.wrapping_mul(33).wrapping_add(u32::from(*byte))
    })
}

/// CRC-32 of Ethernet, gzip and PNG.
pub fn crc32(bytes: &[u8]) -> u32 {
    static TABLE: [u32; 256] = crc_table(0xedb8_8320);
    crc(&TABLE, bytes)
}

/// CRC-32C (Castagnoli).
pub fn crc32c(bytes: &[u8]) -> u32 {
    static TABLE: [u32; 256] = crc_table(0x82f6_3b78);
    crc(&TABLE, bytes)
}

fn crc(table: &[u32; 256], bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, byte| {
        let index = usize::from(crc as u8 ^ byte);
        table.get(index).copied().unwrap_or(0) ^ (crc >> 8)
    })
}

#[expect(
    clippy::indexing_slicing,
    reason = "evaluated by the compiler, which checks it"
)]
const fn crc_table(polynomial: u32) -> [u32; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut crc = index as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 {
                polynomial ^ (crc >> 1)
            } else {
                crc >> 1
            };
            bit += 1;
        }
        table[index] = crc;
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_hashes() {
        assert_eq!(
            [djb2(b"a"), sdbm(0, b"a"), crc32(b"a"), crc32c(b"a")],
            [177_670, 97, 0xe8b7_be43, 0xc1d0_4330]
        );
        assert_eq!([djb2(b""), sdbm(0, b""), crc32(b"")], [5381, 0, 0]);
        assert_eq!([djb2(b"\xff\x80"), sdbm(0, b"\xff\x80")], [5_868_452, 16_727_873]);
        assert_eq!(sdbm(sdbm(0, b"ab"), b"cd"), sdbm(0, b"abcd"));
    }

    #[test]
    fn mixed_hashes_are_those_of_haproxy() {
        assert_eq!(
            [
                avalanche(crc32(b"")),
                avalanche(djb2(b"")),
                avalanche(crc32(b"abc"))
            ],
            [2_874_071_335, 3_719_394_183, 0x377b_9288]
        );
    }

    #[test]
    fn avalanche_spreads_one_bit_over_all() {
        let mut together = 0;
        for bit in 0..32 {
            let differ = avalanche(0x1234_5678) ^ avalanche(0x1234_5678 ^ 1 << bit);
            assert!(
                (6..=26).contains(&differ.count_ones()),
                "bit {bit} changes {differ:032b}"
            );
            together |= differ;
        }
        assert_eq!(together, u32::MAX);
    }
}
