//! `cargo xtask soak`: the program runs for long among everything that goes wrong at once: clients that smuggle, flood, dawdle and
//! vanish, servers that flap and answer rubbish, scripts that fail, loop and wait, descriptors that run out. Meanwhile some clients
//! behave, and all of those must be served. At the end it must have what it began with: no more descriptors, connections, contexts or
//! memory in use.

mod chance;
mod clients;
mod faults;
mod frames;
mod origins;
mod site;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use lexopt::ValueExt as _;

use crate::{Result, bench, cargo};
use chance::Chance;
use faults::FAULTS;
use origins::Origins;
use site::{COLUMNS, Reading, Site};

const USAGE: &str = "\
cargo xtask soak [OPTION]…

Runs the program among clients, servers and scripts that do all that is wrong, and sees that those who behave are served and that
nothing is left at the end. Needs the Debian packages curl, openssl and util-linux.

  --minutes N       how long (20)
  --warm-up N       seconds of the same before the first reading (30)
  --clients N       clients at a time that do what is wrong (24)
  --seed N          another seed for chance (1)
  --tidegate PATH   the program to run, instead of building it
";

/// Clients that behave.
const GOOD: usize = 2;

/// How long a client that behaves rests between two connections.
const REST: Duration = Duration::from_millis(50);

/// How long what is left may take to end: longer than any timeout of the configuration, and than the program waits with giving
/// memory back.
const SETTLE: Duration = Duration::from_secs(45);

/// How often the descriptors run out, and for how long.
const SQUEEZE_EACH: Duration = Duration::from_secs(60);
const SQUEEZE: Duration = Duration::from_millis(500);

/// For how long failures may follow from it.
const AFTERMATH: Duration = Duration::from_secs(5);

struct Options {
    minutes: u64,
    warm_up: u64,
    clients: usize,
    seed: u64,
    tidegate: Option<PathBuf>,
}

pub(crate) fn run(arguments: lexopt::Parser) -> Result<()> {
    let Some(options) = options(arguments)? else {
        print!("{USAGE}");
        return Ok(());
    };
    for program in ["curl", "openssl", "prlimit"] {
        if !bench::server::runs(program) {
            return Err(format!("`{program}` is missing: see `cargo xtask soak --help`").into());
        }
    }
    let program = match &options.tidegate {
        Some(path) => path.clone(),
        None => cargo::program()?,
    };
    let directory = std::env::temp_dir().join(format!("tidegate-soak-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    let outcome = soak(&options, &program, &directory);
    if outcome.is_ok() {
        std::fs::remove_dir_all(&directory)?;
    } else {
        eprintln!(
            "the files of the run, what the program printed and what it logged are in {}",
            directory.display()
        );
    }
    outcome
}

fn options(mut arguments: lexopt::Parser) -> Result<Option<Options>> {
    let mut options = Options {
        minutes: 20,
        warm_up: 30,
        clients: 24,
        seed: 1,
        tidegate: None,
    };
    while let Some(argument) = arguments.next()? {
        match argument {
            lexopt::Arg::Short('h') | lexopt::Arg::Long("help") => return Ok(None),
            lexopt::Arg::Long("minutes") => options.minutes = arguments.value()?.parse()?,
            lexopt::Arg::Long("warm-up") => options.warm_up = arguments.value()?.parse()?,
            lexopt::Arg::Long("clients") => options.clients = arguments.value()?.parse()?,
            lexopt::Arg::Long("seed") => options.seed = arguments.value()?.parse()?,
            lexopt::Arg::Long("tidegate") => options.tidegate = Some(arguments.value()?.into()),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Some(options))
}

fn soak(options: &Options, program: &Path, directory: &Path) -> Result<()> {
    let well = Arc::new(AtomicBool::new(true));
    let origins = Origins::start(well.clone())?;
    let mut site = Site::start(program, directory, &origins, site::log(&directory.join("log"))?)?;
    eprintln!("minute   served failed {COLUMNS}");

    let mut crowd = Crowd::gather(options, &site, &well);
    watch(&mut site, &crowd, Duration::from_secs(options.warm_up), "warm-up")?;
    crowd.leave(&well);
    let before = settled(&site, None)?;
    eprintln!("{:<8} {:>6} {:>6} {before}", "before", "", "");

    let mut crowd = Crowd::gather(options, &site, &well);
    watch(&mut site, &crowd, Duration::from_secs(60 * options.minutes), "")?;
    crowd.leave(&well);
    let after = settled(&site, Some(before))?;
    eprintln!("{:<8} {:>6} {:>6} {after}", "after", "", "");

    let tally = &crowd.tally;
    println!(
        "requests of clients that behave: {} served",
        tally.served.load(Ordering::Relaxed)
    );
    println!(
        "refused while descriptors had run out: {}",
        tally.excused.load(Ordering::Relaxed)
    );
    for ((name, _), count) in FAULTS.iter().zip(&tally.faults) {
        println!("{:>8}  {name}", count.load(Ordering::Relaxed));
    }
    let mut wrong = after.excess(before);
    if let Ok(failures) = tally.failures.lock() {
        wrong.extend(failures.iter().cloned());
    }
    if tally.served.load(Ordering::Relaxed) == 0 {
        wrong.push("nobody was served".to_owned());
    }
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(wrong.join("\n       ").into()),
    }
}

/// Looks on, and lets the descriptors run out now and then; a line each minute.
fn watch(site: &mut Site, crowd: &Crowd, time: Duration, name: &str) -> Result<()> {
    let start = Instant::now();
    let (mut minute, mut squeezed) = (Instant::now(), Instant::now());
    let mut minutes = 0;
    while start.elapsed() < time {
        std::thread::sleep(Duration::from_millis(200).min(time));
        if site.process.ended()? {
            return Err(format!("the program ended: {}", site.process.log()).into());
        }
        if squeezed.elapsed() > SQUEEZE_EACH {
            squeezed = Instant::now();
            crowd.tally.squeezed.store(true, Ordering::SeqCst);
            site.limit_descriptors(Some(2))?;
            std::thread::sleep(SQUEEZE);
            site.limit_descriptors(None)?;
            std::thread::sleep(AFTERMATH);
            crowd.tally.squeezed.store(false, Ordering::SeqCst);
        }
        if minute.elapsed() > Duration::from_secs(60) || (!name.is_empty() && start.elapsed() >= time) {
            minute = Instant::now();
            minutes += 1;
            let name = if name.is_empty() {
                minutes.to_string()
            } else {
                name.to_owned()
            };
            let failed = crowd
                .tally
                .failures
                .lock()
                .map(|failures| failures.len())
                .unwrap_or_default();
            let served = crowd.tally.served.load(Ordering::Relaxed);
            eprintln!("{name:<8} {served:>6} {failed:>6} {}", site.reading()?);
        }
    }
    Ok(())
}

/// What the program has once all that was going on has ended: the least of what is seen, since checks hold something for a moment.
/// With a reading to compare with it is over as soon as nothing exceeds that.
fn settled(site: &Site, before: Option<Reading>) -> Result<Reading> {
    let start = Instant::now();
    let mut least = site.reading()?;
    while start.elapsed() < SETTLE {
        std::thread::sleep(Duration::from_millis(100));
        least = least.least(site.reading()?);
        if before.is_some_and(|before| least.excess(before).is_empty()) {
            break;
        }
    }
    Ok(least)
}

/// What came of it all.
#[derive(Default)]
struct Tally {
    served: AtomicUsize,
    /// Failures of clients that behave, while or right after the descriptors had run out.
    excused: AtomicUsize,
    squeezed: AtomicBool,
    failures: Mutex<Vec<String>>,
    faults: Vec<AtomicUsize>,
}

impl Tally {
    fn of_one(&self, outcome: std::result::Result<usize, String>) {
        const SHOWN: usize = 20;
        match outcome {
            Ok(served) => drop(self.served.fetch_add(served, Ordering::Relaxed)),
            Err(_) if self.squeezed.load(Ordering::SeqCst) => {
                self.excused.fetch_add(1, Ordering::Relaxed);
            }
            Err(why) => {
                if let Ok(mut failures) = self.failures.lock()
                    && failures.len() < SHOWN
                {
                    failures.push(why);
                }
            }
        }
    }
}

/// All clients, and who makes a server flap.
struct Crowd {
    tally: Arc<Tally>,
    over: Arc<AtomicBool>,
    members: Vec<JoinHandle<()>>,
}

impl Crowd {
    fn gather(options: &Options, site: &Site, well: &Arc<AtomicBool>) -> Self {
        let mut crowd = Self {
            tally: Arc::new(Tally {
                faults: FAULTS.iter().map(|_| AtomicUsize::new(0)).collect(),
                ..Tally::default()
            }),
            over: Arc::new(AtomicBool::new(false)),
            members: Vec::new(),
        };
        let doors = site.doors;
        let mut seed = options.seed;
        for _ in 0..options.clients {
            seed += 1;
            let (mut chance, tally) = (Chance::new(seed), crowd.tally.clone());
            crowd.member(move || {
                let nth = chance.below(FAULTS.len());
                if let Some(((_, fault), count)) = FAULTS.get(nth).zip(tally.faults.get(nth)) {
                    count.fetch_add(1, Ordering::Relaxed);
                    // What becomes of it is the program's affair.
                    let _ = fault(&doors, &mut chance);
                }
            });
        }
        for _ in 0..GOOD {
            seed += 1;
            let (mut chance, tally) = (Chance::new(seed), crowd.tally.clone());
            crowd.member(move || {
                tally.of_one(clients::browse(doors.plain, &mut chance));
                std::thread::sleep(REST);
            });
        }
        let tally = crowd.tally.clone();
        crowd.member(move || {
            tally.of_one(clients::visit(&doors));
            std::thread::sleep(REST * 20);
        });
        let well = well.clone();
        crowd.member(move || {
            well.fetch_xor(true, Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(700));
        });
        crowd
    }

    /// Lets something be done over and over until all leave.
    fn member(&mut self, mut each: impl FnMut() + Send + 'static) {
        let over = self.over.clone();
        self.members.push(std::thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                each();
            }
        }));
    }

    /// Ends all that goes on, and waits for it. The server that flaps is well then.
    fn leave(&mut self, well: &AtomicBool) {
        self.over.store(true, Ordering::Relaxed);
        for member in self.members.drain(..) {
            // A client that broke down has said so on standard error.
            let _ = member.join();
        }
        well.store(true, Ordering::Relaxed);
    }
}
