//! `emulator`: Bedrock on this machine, in one region or several, for any AWS SDK.

use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use bedrock_inference_emulator::{Fault, Mix, Pace, Regions, Settings};

use super::{Failure, Interrupts, show};

/// Run the Bedrock emulator alone.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Point any AWS SDK at it; it gives out credentials of roles (STS AssumeRole) too:\n  \
    export AWS_ENDPOINT_URL_BEDROCK_RUNTIME=http://127.0.0.1:4570 AWS_ENDPOINT_URL_STS=http://127.0.0.1:4570\n  \
    export AWS_ACCESS_KEY_ID=emulator AWS_SECRET_ACCESS_KEY=emulator\n  \
    export AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1\n\n\
    Two regions, of which one throttles; standard output is the gateway's configuration for them:\n  \
    bedrock-inference emulator --region us-east-1 --region us-west-2 \
    --fault 'us-west-2:ThrottlingException=30%' --fault 'stall=2%' > regions.toml"
)]
pub(super) struct Emulate {
    /// Address to listen on; the first one of several regions, whose ports follow on it
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:4570")]
    listen: SocketAddr,
    /// Region to be, us-east-1 where none is named; each of several refuses what was signed for another
    #[arg(long = "region", value_name = "REGION")]
    regions: Vec<String>,
    /// Time to the first token, such as 300ms
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = humantime::parse_duration)]
    latency: Duration,
    /// Tokens a second after the first; unlimited where unset
    #[arg(long, value_name = "NUMBER")]
    rate: Option<f64>,
    /// Fault of a share of all calls, such as ThrottlingException=8%, stall=2% or slow=3000@5=0.5%; in one
    /// region only as REGION:FAULT=SHARE%
    #[arg(long = "fault", value_name = "FAULT=SHARE%")]
    faults: Vec<Part>,
    /// Which calls the faults hit: the same for the same seed and order of calls
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    seed: u64,
}

/// A fault of the mix, and the share of calls that it hits.
#[derive(Debug, Clone)]
struct Part {
    /// The only region that has it.
    region: Option<String>,
    /// 0 to 1.
    share: f64,
    fault: Fault,
}

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // Only faults in JSON have a colon themselves.
        let (region, rest) = match text.split_once(':') {
            Some((region, rest)) if !region.starts_with('{') => (Some(region.to_owned()), rest),
            _ => (None, text),
        };
        let (fault, share) = rest
            .rsplit_once('=')
            .and_then(|(fault, share)| Some((fault, share.strip_suffix('%')?.parse::<f64>().ok()?)))
            .ok_or_else(|| format!("no share in `{text}`: expected FAULT=SHARE%, such as stall=2%"))?;
        let fault = fault.parse::<Fault>().map_err(|error| error.to_string())?;
        Ok(Self { region, share: share / 100.0, fault })
    }
}

impl Emulate {
    pub(super) async fn run(self) -> Result<(), Failure> {
        if self.rate.is_some_and(|rate| !rate.is_finite() || rate <= 0.0) {
            return Err(Failure::usage("--rate must be above 0"));
        }
        let pace = Pace { first_token: self.latency, tokens_per_second: self.rate };
        let settings = Settings { listen: self.listen, pace, ..Settings::default() };
        let named = !self.regions.is_empty();
        let names = if named { self.regions.clone() } else { vec![settings.region.clone()] };
        let mixes = self.mixes(&names)?;
        let mut interrupts = Interrupts::caught()?;
        let regions = Regions::start(names, settings).await.map_err(Failure::usage)?;
        for ((region, emulator), mix) in regions.iter().zip(mixes) {
            emulator.set_mix(mix);
            let place = if named { format!(" as {region}") } else { String::new() };
            let url = emulator.url();
            show::note(format!("the Bedrock emulator listens on {url}{place}; its answers are made up"));
        }
        if named {
            show::line("[aws.endpoints]");
            for (region, emulator) in regions.iter() {
                show::line(format!("{region} = \"{}\"", emulator.url()));
            }
        }
        interrupts.next().await;
        regions.shutdown().await;
        Ok(())
    }

    /// The mix of each region.
    fn mixes(&self, regions: &[String]) -> Result<Vec<Mix>, Failure> {
        let elsewhere = self.faults.iter().filter_map(|part| part.region.as_ref());
        if let Some(unknown) = elsewhere.into_iter().find(|region| !regions.contains(region)) {
            let known = regions.join(", ");
            return Err(Failure::usage(format!("--fault names region `{unknown}`: expected one of {known}")));
        }
        let mix = |region: &String| {
            let here =
                self.faults.iter().filter(|part| part.region.as_ref().is_none_or(|only| only == region));
            Mix::new(self.seed, here.map(|part| (part.share, part.fault.clone()))).map_err(Failure::usage)
        };
        regions.iter().map(mix).collect()
    }
}
