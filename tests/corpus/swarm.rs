//! What docker's client asks of an engine for each stackfile, and what we say it would.

use stackctl::compose::Reading;
use stackctl::swarm;

use crate::compare::{Kind, Pair, differences};
use crate::world::Corpus;

#[test]
fn explore() {
    let Some(corpus) = Corpus::find() else { return };
    let mut names = Vec::new();
    let mut pairs = Vec::new();
    for reading in [Reading::Ours, Reading::Docker] {
        for case in corpus.cases() {
            let result = corpus.load(&case, reading);
            if !case.is_asked_by_docker() {
                println!("{reading:?} REFUSED BY DOCKER {} ours: {}", case.name, result.is_ok());
                continue;
            }
            match result {
                Err(report) => {
                    println!(
                        "{reading:?} REFUSED HERE {} deployed: {}",
                        case.name,
                        case.is_deployed_by_docker()
                    );
                    for fault in report.machine().iter() {
                        println!(
                            "    {}:{} {} {} [{:?}]",
                            fault.line, fault.column, fault.code, fault.message, fault.help
                        );
                    }
                }
                Ok(loaded) => {
                    let bodies = swarm::bodies(&loaded.spec, &loaded.merged);
                    let docker = corpus.requests(&case);
                    for (kind, key) in [(Kind::Specs, "services"), (Kind::Networks, "networks")] {
                        names.push(format!("{reading:?} {kind:?} {}", case.name));
                        pairs.push(Pair { kind, ours: bodies[key].clone(), docker: docker.clone() });
                    }
                }
            }
        }
    }
    let found = differences(&corpus.comparer(), &pairs);
    let mut bad = 0;
    for (name, lines) in names.iter().zip(&found).filter(|(_, lines)| !lines.is_empty()) {
        bad += 1;
        println!("DIFFERS {name}");
        for line in lines {
            println!("    {}", line.chars().take(400).collect::<String>());
        }
    }
    println!("{} of {} differ", bad, names.len());
}
