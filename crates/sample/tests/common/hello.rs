//! ClientHello messages, made by hand.

pub(crate) fn block(size: usize, data: &[u8]) -> Vec<u8> {
    let len = u32::try_from(data.len()).unwrap().to_be_bytes();
    [&len[4 - size..], data].concat()
}

pub(crate) fn extension(number: u16, data: &[u8]) -> Vec<u8> {
    [&number.to_be_bytes()[..], &block(2, data)].concat()
}

/// A message of this type and version, in one record.
pub(crate) fn message(kind: u8, version: [u8; 2], extensions: Option<&[Vec<u8>]>) -> Vec<u8> {
    let mut body = version.to_vec();
    body.extend([7; 32]);
    body.extend(block(1, b"session"));
    body.extend(block(2, &[0x13, 0x02, 0x00, 0x9f]));
    body.extend(block(1, &[0]));
    if let Some(extensions) = extensions {
        body.extend(block(2, &extensions.concat()));
    }
    let handshake = [&[kind][..], &block(3, &body)].concat();
    [&[22, 3, 1][..], &block(2, &handshake)].concat()
}

pub(crate) fn server_name(name: &[u8]) -> Vec<u8> {
    extension(0, &block(2, &[&[0][..], &block(2, name)].concat()))
}

/// A hello with every extension that a fetch asks for.
pub(crate) fn full() -> Vec<u8> {
    let alpn = [block(1, b"h2"), block(1, b"http/1.1")].concat();
    let shares = [
        &[0, 0x1d][..],
        &block(2, &[1; 32]),
        &[0, 0x17],
        &block(2, &[2; 65]),
    ]
    .concat();
    message(
        1,
        [3, 3],
        Some(&[
            server_name(b"www.Example.com"),
            extension(16, &block(2, &alpn)),
            extension(10, &block(2, &[0, 0x1d, 0, 0x17])),
            extension(13, &block(2, &[4, 3, 8, 5])),
            extension(35, b""),
            extension(51, &block(2, &shares)),
        ]),
    )
}
