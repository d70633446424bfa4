//! Map converters: what they find, what they make of it, and what is told of maps that are wrong.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "it is a test")]

mod common;

use common::Fake;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use tidegate_sample::{AclSet, Condition, Expr, Files, Lists, LogFormat, Place, Scope};

#[derive(Default)]
struct Disk {
    files: HashMap<&'static str, &'static [u8]>,
    reads: Cell<usize>,
}

impl Files for Disk {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        self.reads.set(self.reads.get() + 1);
        match path {
            "folder" => Err(io::ErrorKind::IsADirectory.into()),
            _ => Ok(self.files.get(path).ok_or(io::ErrorKind::NotFound)?.to_vec()),
        }
    }
}

fn disk(files: &[(&'static str, &'static str)]) -> Disk {
    Disk {
        files: files
            .iter()
            .map(|(name, text)| (*name, text.as_bytes()))
            .collect(),
        ..Disk::default()
    }
}

fn scope<'a>(disk: &'a Disk, lists: &'a Lists) -> Scope<'a> {
    Scope::new(Place::FrontendHttpRequest)
        .with_files(disk)
        .with_lists(lists)
}

/// What `%[...]` gives; the error's text if it cannot be parsed.
fn shown(text: &str, scope: &Scope<'_>) -> String {
    match LogFormat::parse(&format!("%[{text}]"), scope) {
        Err(error) => format!("! {error}"),
        Ok(format) => {
            let mut bytes = Vec::new();
            format.eval_into(&mut bytes, &Fake::new());
            String::from_utf8(bytes).unwrap()
        }
    }
}

/// The answers are those of the haproxy package to the same maps.
#[test]
fn each_method_finds_what_haproxy_finds() {
    let disk = disk(&[
        ("str", "# c\n  a   first value   \na second\nnokey\n"),
        ("beg", "/a one\n/ab two\n/ab three\n/abcd four\n"),
        ("end", ".com one\nx.com two\n"),
        ("int", "10:20 mid\n15 exact\n:5 low\n100: high\n"),
        (
            "ip",
            "10.0.0.0/8 ten\n10.1.0.0/16 tenone\n10.1.2.3/8 dup\n10.1.9.0/24 nine\n127.0.0.1 lo\n\
             ::ffff:10.1.2.0/120 v6map\n2001:db8::/32 doc\n192.168.0.0/255.255.0.0 m\n\
             172.16.1.0/255.240.255.0 odd\n2002:c0a8::/32 sixto4\n",
        ),
        ("reg", "^/(a+)/(b+) x\\1-\\2-\\0-\\3\\x41\n/q/ q q\n"),
        ("dir", "img one\n/static/img two\na/ three\n"),
        ("dom", "example one\nwww.example two\n.com three\n"),
        ("sub", "bc one\nabcd two\nb three\n"),
        ("ints", "a 5\nb -7\n"),
        ("ips", "a 1.2.3.4\nb ::1\n"),
    ]);
    let lists = Lists::default();
    let scope = scope(&disk, &lists);
    for (expr, want) in [
        ("str(a),map(str)", "first value"),
        ("str(nokey),map(str,none)", ""),
        ("str(zz),map(str,none)", "none"),
        ("str(zz),map_str(str)", ""),
        ("str(a),map_str_key(str)", "a"),
        ("str(/ab),map_beg(beg)", "two"),
        ("str(/abcde),map_beg(beg)", "four"),
        ("str(/abcde),map_beg_key(beg)", "/abcd"),
        ("str(x.com),map_end(end)", "one"),
        ("int(15),map_int(int)", "mid"),
        ("str(3),map_int(int)", "low"),
        ("str(zz),map_int(int)", "low"),
        ("int(50),map_int(int,none)", "none"),
        ("int(500),map_int(int)", "high"),
        ("int(12),map_int_key(int)", "10:20"),
        ("str(10.1.2.3),map_ip(ip)", "tenone"),
        ("str(10.2.3.4),map_ip(ip)", "ten"),
        ("str(10.1.9.4),map_ip(ip)", "nine"),
        ("str(10.1.9.4),map_ip_key(ip)", "10.1.9.0/24"),
        ("str(::ffff:10.1.2.3),map_ip(ip)", "v6map"),
        ("str(::ffff:10.9.9.9),map_ip(ip)", "ten"),
        ("str(2001:db8::1),map_ip(ip)", "doc"),
        ("str(192.168.9.9),map_ip(ip)", "m"),
        ("str(172.17.1.7),map_ip(ip)", "odd"),
        ("str(172.17.2.7),map_ip(ip,none)", "none"),
        ("str(2002:c0a8::5),map_ip(ip)", "sixto4"),
        ("str(2002:0a01:0203::),map_ip(ip)", "tenone"),
        ("src,map_ip(ip)", "lo"),
        ("str(/aa/bb),map_regm(reg)", "xaa-bb-/aa/bb-A"),
        ("str(/aa/bb),map_reg(reg)", "x\\1-\\2-\\0-\\3\\x41"),
        ("str(/q/),map_regm(reg)", "q q"),
        ("str(nope),map_regm(reg,none)", "none"),
        ("str(x/static/img/y),map_dir(dir)", "one"),
        ("str(a/),map_dir(dir)", "three"),
        ("str(www.example.com),map_dom(dom)", "one"),
        ("str(y.com),map_dom(dom)", "three"),
        ("str(abcd),map_sub(sub)", "one"),
        ("str(ab),map_sub(sub)", "three"),
        ("str(b),map_str_int(ints,42),add(1)", "-6"),
        ("str(zz),map_str_int(ints,42),add(1)", "43"),
        ("str(b),map_str_ip(ips)", "::1"),
        ("str(zz),map_str_ip(ips,9.9.9.9)", "9.9.9.9"),
    ] {
        assert_eq!(shown(expr, &scope), want, "{expr}");
    }
}

#[test]
fn a_file_is_read_once_whoever_names_it() {
    let disk = disk(&[("hosts", "www.example.com one\n"), ("acl", "www.example.com\n")]);
    let lists = Lists::default();
    let scope = scope(&disk, &lists);
    for name in ["hosts", "file@hosts", "opt@hosts"] {
        Expr::parse(&format!("hdr(host),map({name})"), &scope).unwrap();
        Expr::parse(&format!("hdr(host),map_beg_key({name})"), &scope).unwrap();
    }
    let acl = |text: &str| {
        let words: Vec<&str> = text.split(' ').collect();
        Condition::parse(&words, &AclSet::default(), &scope)
    };
    acl("if { path -M -f hosts } { path -i -f acl } { path -f acl }").unwrap();
    assert_eq!(disk.reads.get(), 2);
    assert_eq!(lists.all().len(), 2);
    let error = acl("if { path -f hosts }").unwrap_err().to_string();
    assert_eq!(
        error,
        "`hosts` is already used for a map, and can't be patterns alone too"
    );
    assert_eq!(
        shown("path,map(acl)", &scope),
        "! `acl` is already used for patterns alone, and can't be a map too"
    );
}

#[test]
fn lists_without_files_begin_empty() {
    let disk = disk(&[]);
    let lists = Lists::default();
    let scope = scope(&disk, &lists);
    for name in ["virt@hosts", "opt@hosts"] {
        let text = format!("str(a),map({name},none)");
        assert_eq!(shown(&text, &scope), "none");
        lists.find(name).unwrap().add(b"a", Some(b"found")).unwrap();
        assert_eq!(shown(&text, &scope), "found");
    }
    assert_eq!(lists.all().len(), 2, "they are two lists");
    assert_eq!(disk.reads.get(), 1);
    assert!(shown("str(a),map(opt@folder)", &scope).starts_with("! cannot read map file `folder`: "));
}

#[test]
fn mistakes_are_told_with_their_place() {
    let disk = disk(&[
        ("nets", "# nets\n10.0.0.0/8 ten\n  10.0.0.0/99 x\n\nlocalhost y\n"),
        ("ints", "a 5\nb five\nc\n"),
        ("reg", "a( x\n"),
        ("int", "5 a\n3:1 b\n"),
    ]);
    let lists = Lists::default();
    let scope = scope(&disk, &lists);
    for (expr, want) in [
        (
            "src,map_ip(nets)",
            "line 3 of `nets`: `10.0.0.0/99` is not a valid IPv4 or IPv6 address or network",
        ),
        (
            "path,map_str_int(ints)",
            "line 2 of `ints`: `five` is not a number",
        ),
        (
            "path,map_str_ip(ints)",
            "line 1 of `ints`: `5` is not an IPv4 or IPv6 address",
        ),
        (
            "path,map_reg(reg)",
            "line 1 of `reg`: `a(` is not a valid regular expression: PCRE2: error compiling pattern at offset 2: missing closing parenthesis",
        ),
        (
            "dst_port,map_int(int)",
            "line 2 of `int`: `3:1` is not a valid range of numbers",
        ),
        ("path,map(gone)", "cannot read map file `gone`: entity not found"),
        ("path,map()", "the name of the file is missing"),
        ("path,map(virt@)", "the name of the file is missing"),
        (
            "path,map_beg_key(nets,x)",
            "`map_beg_key` takes 1 argument at most; its arguments are `map_beg_key(string)`",
        ),
        (
            "path,map_str_ip(virt@x,y)",
            "`map_str_ip`: the default `y` is not an IPv4 or IPv6 address",
        ),
        (
            "path,map_str_int(virt@x,y)",
            "`y` is not a valid integer for `map_str_int`",
        ),
    ] {
        assert_eq!(Expr::parse(expr, &scope).unwrap_err().to_string(), want, "{expr}");
    }
    let file = Expr::parse("src,map_ip(nets)", &scope).unwrap_err().file.unwrap();
    let places: Vec<&[u8]> = file
        .faults
        .iter()
        .map(|(range, _)| &file.text[range.clone()])
        .collect();
    assert_eq!(places, [&b"10.0.0.0/99"[..], b"localhost"]);
    assert_eq!((file.name.as_str(), file.total), ("nets", 2));
    // What is wrong for one user is not wrong for all.
    Expr::parse("path,map_str(nets)", &scope).unwrap();
}

#[test]
fn only_the_first_mistakes_of_a_file_are_kept() {
    let text: &'static str = "nowhere x\n".repeat(1000).leak();
    let disk = disk(&[("nets", text)]);
    let lists = Lists::default();
    let file = Expr::parse("src,map_ip(nets)", &scope(&disk, &lists))
        .unwrap_err()
        .file
        .unwrap();
    assert_eq!((file.faults.len(), file.total), (20, 1000));
}

#[test]
fn case_is_ignored_from_the_flag_on() {
    let disk = disk(&[("exact", "Foo\n"), ("any", "Bar\n")]);
    let lists = Lists::default();
    let scope = scope(&disk, &lists);
    let holds = |text: &str| {
        let words = format!("if {{ str({text}) -f exact -i -f any Word }}");
        let words: Vec<&str> = words.split(' ').collect();
        Condition::parse(&words, &AclSet::default(), &scope)
            .unwrap()
            .eval(&Fake::new())
    };
    let got = ["Foo", "foo", "Bar", "bar", "Word", "word"].map(holds);
    assert_eq!(got, [true, false, true, true, true, true]);
    let late: Vec<&str> = "if { path -f any -m beg x }".split(' ').collect();
    let error = Condition::parse(&late, &AclSet::default(), &scope).unwrap_err();
    assert_eq!(
        (error.word, error.to_string().as_str()),
        (
            5,
            "`-m` stands after `-f`, whose file it says how to read; put `-m` before the files"
        )
    );
}

#[test]
fn looking_up_allocates_nothing() {
    let long = "/a/path/that/is/longer/than/anything/that/is/stored/inline/in/a/value/of/ours";
    let text = format!("www.example.com one\n/a {long}\n127.0.0.0/8 {long}\n");
    let text: &'static str = text.leak();
    let disk = disk(&[
        ("hosts", text),
        ("nets", "127.0.0.0/8 a value\n::1 other\n"),
        ("ints", "www.example.com 5\n"),
        ("regs", "^www one\n"),
    ]);
    let lists = Lists::default();
    let scope = scope(&disk, &lists);
    let mut fake = Fake::new();
    let request = http::Request::get("/a/b")
        .header("Host", "WWW.example.com")
        .body(())
        .unwrap();
    fake.request = Some(RefCell::new(request.into_parts().0.into()));
    for text in [
        "%[req.hdr(host),lower,map(hosts)]",
        "%[req.hdr(host),lower,map_end(hosts)]",
        "%[req.hdr(host),lower,map_dom(hosts)]",
        "%[req.hdr(host),lower,map_sub(hosts)]",
        "%[req.hdr(host),lower,map_reg(regs)]",
        "%[req.hdr(host),lower,map_str_int(ints,3)]",
        "%[req.hdr(host),lower,map_str_key(hosts)]",
        "%[path,map_beg(hosts)]",
        "%[src,map_ip(nets)]",
        "%[src,map_ip_key(nets)]",
        "%[int(7),map_int(virt@none,a default)]",
    ] {
        let format = LogFormat::parse(text, &scope).unwrap();
        let mut buffer = Vec::with_capacity(1024);
        // The first evaluation on a thread sets up what the thread needs.
        format.eval_into(&mut buffer, &fake);
        assert!(!buffer.is_empty(), "{text}");
        buffer.clear();
        let count = allocation_counter::measure(|| format.eval_into(&mut buffer, &fake)).count_total;
        assert_eq!(count, 0, "{text}");
    }
}
