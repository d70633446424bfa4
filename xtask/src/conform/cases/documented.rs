//! Examples of the manual, with what they give: all there is to hold on to where the reference is older than a converter.

use super::What;

/// An expression and the text of its sample.
pub(crate) struct Documented {
    pub(crate) what: What,
    pub(crate) subject: &'static str,
    pub(crate) expression: &'static str,
    pub(crate) gives: Option<&'static str>,
}

/// The label of the one input that they are evaluated on.
pub(crate) const INPUT: &str = "(none)";

const fn converter(
    subject: &'static str,
    expression: &'static str,
    gives: Option<&'static str>,
) -> Documented {
    Documented {
        what: What::Converter,
        subject,
        expression,
        gives,
    }
}

const fn fetch(subject: &'static str, expression: &'static str, gives: Option<&'static str>) -> Documented {
    Documented {
        what: What::Fetch,
        subject,
        expression,
        gives,
    }
}

pub(crate) const DOCUMENTED: &[Documented] = &[
    converter("base2", "bin(00ff41),base2", Some("000000001111111101000001")),
    converter(
        "be2dec",
        "bin(01020304050607),be2dec(:,2)",
        Some("258:772:1286:7"),
    ),
    converter(
        "be2dec",
        "bin(01020304050607),be2dec(-,2,1)",
        Some("258-772-1286"),
    ),
    converter("be2dec", "bin(01020304050607),be2dec(,2,1)", Some("2587721286")),
    converter("be2dec", "bin(7f000001),be2dec(.,1)", Some("127.0.0.1")),
    converter("be2hex", "bin(01020304050607),be2hex", Some("01020304050607")),
    converter(
        "be2hex",
        "bin(01020304050607),be2hex(:,2)",
        Some("0102:0304:0506:07"),
    ),
    converter(
        "be2hex",
        "bin(01020304050607),be2hex(--,2,1)",
        Some("0102--0304--0506"),
    ),
    converter(
        "be2hex",
        "bin(0102030405060708),be2hex(,3,1)",
        Some("010203040506"),
    ),
    converter("bytes", "str(012345),bytes(0)", Some("012345")),
    converter("bytes", "str(012345),bytes(1,3)", Some("123")),
    converter("field", "str(f1_f2_f3__f5),field(5,_)", Some("f5")),
    converter("field", "str(f1_f2_f3__f5),field(2,_,0)", Some("f2_f3__f5")),
    converter("field", "str(f1_f2_f3__f5),field(2,_,2)", Some("f2_f3")),
    converter("field", "str(f1_f2_f3__f5),field(-2,_,3)", Some("f2_f3_")),
    converter("field", "str(f1_f2_f3__f5),field(-3,_,0)", Some("f1_f2_f3")),
    converter("has_ctl", "bin(6101),has_ctl,iif(y,n)", Some("y")),
    converter("has_ctl", "bin(6109),has_ctl,iif(y,n)", Some("n")),
    converter("has_ctl", "bin(7f),has_ctl,iif(y,n)", Some("y")),
    converter("has_ctl", "bin(6180ff20),has_ctl,iif(y,n)", Some("n")),
    converter("has_ctl", "bin(6109),has_ctl(any),iif(y,n)", Some("y")),
    converter("has_ctl", "bin(6109),has_ctl(http),iif(y,n)", Some("n")),
    converter("has_ctl", "bin(610d),has_ctl(http),iif(y,n)", Some("y")),
    converter("has_ctl", "bin(00),has_ctl(http),iif(y,n)", Some("y")),
    converter("has_ctl", "bin(7f),has_ctl(0x100002401),iif(y,n)", Some("y")),
    converter("has_ctl", "bin(09),has_ctl(0x100002401),iif(y,n)", Some("n")),
    converter("has_ctl", "bin(09),has_ctl(512),iif(y,n)", Some("y")),
    converter(
        "le2dec",
        "bin(01020304050607),le2dec(:,2)",
        Some("513:1027:1541:7"),
    ),
    converter(
        "le2dec",
        "bin(01020304050607),le2dec(-,2,1)",
        Some("513-1027-1541"),
    ),
    converter("le2dec", "bin(7f000001),le2dec(.,1)", Some("127.0.0.1")),
    converter(
        "ms_utime",
        "int(1690192382196),ms_utime(%Y/%m/%d/%H:%M:%S.%3N\\ %z)",
        Some("2023/07/24/09:53:02.196 +0000"),
    ),
    converter(
        "ms_utime",
        "int(1690192382196),ms_utime(%S.%3N,1000)",
        Some("03.196"),
    ),
    converter("ms_utime", "int(1690192382196),ms_utime(%N)", Some("196000000")),
    converter(
        "ms_ltime",
        "int(1690192382196),ms_ltime(%S.%3N,-1100)",
        Some("01.096"),
    ),
    converter(
        "us_utime",
        "int(1690192382196234),us_utime(%Y/%m/%d/%H:%M:%S.%6N\\ %z)",
        Some("2023/07/24/09:53:02.196234 +0000"),
    ),
    converter(
        "us_utime",
        "int(1690192382196234),us_utime(%S.%6N,1000000)",
        Some("03.196234"),
    ),
    converter(
        "us_ltime",
        "int(1690192382196234),us_ltime(%9N)",
        Some("196234000"),
    ),
    converter("param", "str(a=1&b=2),param(b)", Some("2")),
    converter("param", "str(a&b=2),param(a)", Some("")),
    converter("param", "str(a=1&b=2),param(c)", None),
    converter("param", "str(a=1;b=2),param(b,;)", Some("2")),
    converter("param", "str(a=1;b=2),param(b,0x3b)", Some("2")),
    converter("param", "str(a=1;b=2),param(b,0x3B)", Some("2")),
    converter("param", "str(a=1;b=2),param(b)", None),
    converter("param", "str(xa=1&a=2&a=3),param(a)", Some("2")),
    converter(
        "regsub",
        "str(/////a///b/c/xzxyz/),regsub(/+,/,g)",
        Some("/a/b/c/xzxyz/"),
    ),
    converter("reverse", "str(example.com),reverse", Some("moc.elpmaxe")),
    converter("reverse", "str(ab\\ cd),reverse", Some("dc ba")),
    converter("reverse_dom", "str(example.com),reverse_dom", Some("com.example")),
    converter(
        "reverse_dom",
        "str(mail.example.com),reverse_dom",
        Some("com.example.mail"),
    ),
    converter(
        "reverse_dom",
        "str(example.com.),reverse_dom",
        Some("com.example"),
    ),
    converter("reverse_dom", "str(a..b),reverse_dom", None),
    converter("reverse_dom", "str(.a),reverse_dom", None),
    converter("word", "str(f1_f2_f3__f5),word(4,_)", Some("f5")),
    converter("word", "str(f1_f2_f3__f5),word(5,_)", None),
    converter("word", "str(f1_f2_f3__f5),word(2,_,0)", Some("f2_f3__f5")),
    converter("word", "str(f1_f2_f3__f5),word(3,_,2)", Some("f3__f5")),
    converter("word", "str(f1_f2_f3__f5),word(-2,_,3)", Some("f1_f2_f3")),
    converter("word", "str(f1_f2_f3__f5),word(-3,_,0)", Some("f1_f2")),
    converter("word", "str(/f1/f2/f3/f4),word(1,/)", Some("f1")),
    fetch("req.cook_names", "req.cook_names", Some("a,b")),
    fetch("req.cook_names", "req.cook_names(;)", Some("a;b")),
    fetch("req.cook_names", "req.cook_names(:-)", Some("a:b")),
    fetch("query", "query(with_qm)", Some("?a=1")),
];
