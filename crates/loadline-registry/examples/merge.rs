//! Joins legs into an index, as `docker buildx imagetools create` does, for comparing the two:
//! `merge REPOSITORY TAG LEG…`. Prints one line of JSON.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program of its own")]

use std::collections::BTreeMap;
use std::process::ExitCode;

use loadline_registry::merge::{MergeRequest, merge};
use loadline_registry::{Client, Http, HttpOptions, Options, Repository};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, tag, legs @ ..] = arguments.as_slice() else {
        eprintln!("usage: merge REPOSITORY TAG LEG...");
        return ExitCode::from(2);
    };
    let client = Client::new(Http::new(HttpOptions::default()), Options::default());
    let name = match name.parse() {
        Ok(name) => name,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(2);
        }
    };
    let legs: Vec<&str> = legs.iter().map(String::as_str).collect();
    let request = MergeRequest { legs: &legs, annotations: &BTreeMap::new(), tags: &[tag] };
    match merge(&Repository::at(&client, name), request).await {
        Ok(built) => {
            println!(r#"{{"digest":"{}","requests":{}}}"#, built.digest, client.counters().requests);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(3)
        }
    }
}
