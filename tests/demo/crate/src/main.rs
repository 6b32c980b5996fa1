//! shelf FILE... -- WORD...: which of the files speaks of the words.

use std::env;
use std::fs;
use std::process::ExitCode;

use shelf::Shelf;

const HITS_MAX: usize = 10;

fn run(files: &[String], query: &str) -> Result<usize, Box<dyn std::error::Error>> {
    let mut shelf = Shelf::new();
    for name in files {
        shelf.add(name, &fs::read_to_string(name)?)?;
    }
    let hits = shelf.search(query, HITS_MAX)?;
    for hit in &hits {
        println!("{:6.3}  {}\n        {}", hit.score, hit.title, hit.snippet);
    }
    Ok(hits.len())
}

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let at = match args.iter().position(|a| a == "--") {
        Some(at) => at,
        None => {
            eprintln!("usage: shelf FILE... -- WORD...");
            return ExitCode::from(2);
        }
    };
    match run(&args[..at], &args[at + 1..].join(" ")) {
        Ok(0) => ExitCode::from(1),
        Ok(_) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("shelf: {e}");
            ExitCode::from(2)
        }
    }
}
