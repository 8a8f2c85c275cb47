use std::path::PathBuf;

use clap::Args;
use nuwa_collect::collect;
use nuwa_collect::crawl::is_address;

use super::settings::Settings;
use crate::console::{Display, print_figures};
use crate::interrupt::{self, Work};
use crate::online::{self, Again};
use crate::stages::collect::{ABOUT, text};

/// Read files and folders of text into documents
///
/// Reads text (.txt, .md), web pages (.html), JSON (.jsonl, .json), tables (.csv, .tsv, .parquet),
/// PDF (.pdf), office documents and books (.docx, .odt, .pptx, .odp, .epub), mail (.eml, .mbox,
/// .mht; others by their headers), web crawls (.warc, .wet) and the members of archives (.zip,
/// .tar, .tgz), also compressed as .gz, .zst, .bz2 or .xz; folders are read recursively. Other
/// files in a folder are skipped and counted; a file given by name must be readable.
/// Irregularities, such as a quote that is never closed, are repaired or left out, and reported
/// with their place. Data sets of the Hugging Face Hub are given as hf:OWNER/NAME, optionally
/// followed by @REVISION or /PATH; they are downloaded once into DIR/downloads (HF_ENDPOINT sets
/// another server, HF_TOKEN your token). Web sites are crawled into DIR/downloads as WARC, one page
/// per second and within their robots.txt; an interrupted crawl resumes, and a repeated one
/// requests only what has changed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nuwa collect ~/documents book.txt.gz --out documents
  nuwa collect posts.jsonl --set collect.text_field=body --out documents
  nuwa collect hf:roneneldan/TinyStories --out documents
  nuwa collect --crawl https://example.org/docs/ --depth 2 --max-pages 200 --out documents
  nuwa collect crawl.warc.gz mails.mbox papers.zip --out documents")]
pub struct Collect {
    /// Files, folders and data sets of the Hub
    #[arg(required_unless_present = "crawl")]
    paths: Vec<PathBuf>,
    /// Crawl a web site, starting at this address; may be repeated
    #[arg(long, value_name = "URL")]
    crawl: Vec<PathBuf>,
    /// With --crawl: maximum link depth from the start page [default: 3]
    #[arg(long, value_name = "N", requires = "crawl")]
    depth: Option<u32>,
    /// With --crawl: maximum number of pages per site [default: 1000]
    #[arg(long, value_name = "N", requires = "crawl")]
    max_pages: Option<u64>,
    /// The folder for documents-*.jsonl.zst and collect.json
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    settings: Settings,
    /// Print the results as JSON
    #[arg(long)]
    json: bool,
}

impl Collect {
    pub fn run(self) -> anyhow::Result<()> {
        let mut settings = self.settings.recipe()?.collect;
        settings.crawl.depth = self.depth.unwrap_or(settings.crawl.depth);
        settings.crawl.max_pages = self.max_pages.unwrap_or(settings.crawl.max_pages);
        if let Some(wrong) = self.crawl.iter().find(|url| !url.to_str().is_some_and(is_address)) {
            return Err(nuwa_collect::Error::CrawlAddress { given: wrong.display().to_string() }.into());
        }
        let mut display = Display::new();
        let (sources, downloads) = ([self.paths, self.crawl].concat(), self.out.join("downloads"));
        interrupt::begin(Work::downloads(false))?;
        let paths = online::fetched(&sources, &downloads, &settings, Again::Yes, &mut display)?;
        interrupt::begin(ABOUT.work(false))?;
        let summary = collect(&paths, &self.out, &settings, &mut |progress| display.show(progress))?;
        drop(display);
        print_figures(self.json, &summary, || text(&summary))
    }
}
