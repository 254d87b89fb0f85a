//! The life of a stack on fake engines.

use serde_json::Value;

use crate::hosts::Hosts;

const SHOP: &str = "\
services:
  web:
    image: nginx:1.25
    ports: ['8080:80']
    deploy:
      replicas: 3
      update_config: {monitor: 100ms}
  db:
    image: postgres:16
    volumes: ['data:/var/lib/postgresql/data']
    deploy:
      update_config: {monitor: 100ms}
volumes:
  data:
";

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

#[test]
fn a_stack_comes_stays_and_goes() {
    let hosts = Hosts::new(4);
    hosts.stackfile(SHOP);
    let run = hosts.expect(0, "deploy --yes shop");
    println!("{}", run.show());
    assert_eq!(hosts.running().len(), 4, "{:?}", hosts.running());

    hosts.forget_calls();
    let run = hosts.expect(0, "deploy --yes shop");
    println!("{}", run.show());
    assert!(run.stdout.contains("No changes."), "{}", run.show());
    assert_eq!(hosts.writes(), [""; 0]);

    for args in ["ps shop", "services shop", "ls", "node ls", "version --hosts"] {
        println!("{}", hosts.expect(0, args).show());
    }
    hosts.stackfile(&SHOP.replace("nginx:1.25", "nginx:1.26"));
    println!("{}", hosts.expect(2, "diff shop").show());
    println!("{}", hosts.expect(0, "deploy --yes shop").show());
    println!("{}", hosts.expect(0, "ps shop").show());

    println!("{}", hosts.expect(0, "rm --yes shop").show());
    assert_eq!(hosts.running(), [""; 0]);
    println!("{}", hosts.expect(0, "rm --yes shop").show());
}
