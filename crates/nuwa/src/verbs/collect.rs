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
/// Reads text (.txt, .md), pages (.html), JSON (.jsonl, .json), tables (.csv, .tsv, .parquet), PDF (.pdf), documents and
/// books (.docx, .odt, .pptx, .odp, .epub), mails (.eml, .mbox, .mht; others by their headers), web crawls (.warc, .wet) and the members
/// of archives (.zip, .tar, .tgz), all also as .gz, .zst, .bz2 and .xz; folders with all that is below them. What a folder holds
/// besides is passed over and counted; a file that is named must be readable. What is odd in a file, such as a quote that is never
/// closed, is mended or left out, and told with its place. Data sets of the Hugging Face Hub are named hf:OWNER/NAME, with @REVISION or /PATH behind; they are
/// downloaded into DIR/downloads once (HF_ENDPOINT names another server, HF_TOKEN holds your token). Sites of the web are
/// crawled into DIR/downloads as WARC, one page a second and within their robots.txt; a crawl that was stopped goes on, and one that is
/// repeated asks only for what has changed.
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
    /// Crawl a site from this address on, politely; may be given several times
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
    /// Print the figures as JSON
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
