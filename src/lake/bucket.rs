//! A place in a bucket of an object store that speaks S3. Who we are there is said by the environment, never by a setting.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, S3ConditionalPut};
use object_store::path::Path;
use object_store::{ObjectStore, RetryConfig};
use url::Url;

/// What is asked is asked again for so long; then it has failed.
const PATIENCE: Duration = Duration::from_secs(30);
/// And so often.
const TRIES: usize = 6;

/// A prefix in a bucket, and how its store is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    name: String,
    prefix: Path,
    reach: Reach,
}

/// How a store is reached; what is left out is AWS's own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    /// Its address; none: `AWS_ENDPOINT_URL`, or AWS.
    pub endpoint: Option<String>,
    /// Its region; none: `AWS_REGION`, or us-east-1.
    pub region: Option<String>,
    /// Whether the bucket stands in the path and not in the host name; none: with an address it does.
    pub path_style: Option<bool>,
    /// Whether it may be spoken to in the clear.
    pub allow_http: bool,
}

/// Why a setting names no place in a bucket.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BucketError {
    /// It is not of the form.
    #[error("`{0}` is not of the form s3://bucket/prefix")]
    Form(String),
    /// A secret stands where it would be read by everybody.
    #[error(
        "a name or a password does not belong here; give AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to the process, \
         or the machine a role"
    )]
    Secret,
    /// The address is none.
    #[error("`{0}` is no http or https address")]
    Endpoint(String),
    /// The address is not encrypted.
    #[error("`{0}` is spoken to in the clear; say allow_http = true where that is meant")]
    Clear(String),
}

impl Bucket {
    /// The place that `s3://bucket/prefix` names; none where it names another kind of place.
    ///
    /// # Errors
    /// [`BucketError`].
    pub fn parse(text: &str, reach: Reach) -> Result<Option<Self>, BucketError> {
        if !text.starts_with("s3://") {
            return Ok(None);
        }
        let form = || BucketError::Form(text.to_owned());
        let url = Url::parse(text).map_err(|_| form())?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BucketError::Secret);
        }
        let name = url.host_str().filter(|host| !host.is_empty()).ok_or_else(form)?.to_owned();
        if url.query().is_some() || url.fragment().is_some() || url.port().is_some() {
            return Err(form());
        }
        let prefix = Path::from_url_path(url.path()).map_err(|_| form())?;
        reach.check()?;
        Ok(Some(Self { name, prefix, reach }))
    }

    /// Where below the bucket.
    pub fn prefix(&self) -> &Path {
        &self.prefix
    }

    /// The place as a URL that ends in a slash.
    pub(super) fn url(&self) -> Result<Url, url::ParseError> {
        let slash = if self.prefix.as_ref().is_empty() { "" } else { "/" };
        Url::parse(&format!("s3://{}/{}{slash}", self.name, self.prefix))
    }

    /// The store, rooted at the bucket.
    ///
    /// # Errors
    /// Where the settings or the environment do not fit together.
    pub fn store(&self) -> object_store::Result<Arc<dyn ObjectStore>> {
        let hosted = !self.reach.path_style.unwrap_or(self.reach.endpoint.is_some());
        let retry = RetryConfig { max_retries: TRIES, retry_timeout: PATIENCE, ..RetryConfig::default() };
        // What the environment says of the transport does not count: only the settings allow to speak in the clear.
        let mut builder = AmazonS3Builder::from_env()
            .with_bucket_name(&self.name)
            .with_virtual_hosted_style_request(hosted)
            .with_allow_http(self.reach.allow_http)
            .with_conditional_put(S3ConditionalPut::ETagMatch)
            .with_retry(retry);
        if let Some(region) = &self.reach.region {
            builder = builder.with_region(region);
        }
        if let Some(endpoint) = &self.reach.endpoint {
            // With the bucket in the host name, the store's address is the bucket's.
            let address = if hosted {
                endpoint.replacen("://", &format!("://{}.", self.name), 1)
            } else {
                endpoint.clone()
            };
            builder = builder.with_endpoint(address);
        }
        Ok(Arc::new(builder.build()?))
    }
}

impl std::fmt::Display for Bucket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "s3://{}/{}", self.name, self.prefix)
    }
}

impl Reach {
    fn check(&self) -> Result<(), BucketError> {
        let Some(endpoint) = &self.endpoint else { return Ok(()) };
        let url = Url::parse(endpoint).map_err(|_| BucketError::Endpoint(endpoint.clone()))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BucketError::Secret);
        }
        match url.scheme() {
            "https" => Ok(()),
            "http" if self.allow_http => Ok(()),
            "http" => Err(BucketError::Clear(endpoint.clone())),
            _ => Err(BucketError::Endpoint(endpoint.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, reach: &Reach) -> Result<Option<Bucket>, BucketError> {
        Bucket::parse(text, reach.clone())
    }

    #[test]
    fn a_place_in_a_bucket_is_read_and_a_folder_is_none() {
        let aws = Reach::default();
        let bucket = parse("s3://city/lakes/one/", &aws).unwrap().unwrap();
        assert_eq!(
            (bucket.to_string().as_str(), bucket.prefix().as_ref()),
            ("s3://city/lakes/one", "lakes/one")
        );
        assert_eq!(bucket.url().unwrap().as_str(), "s3://city/lakes/one/");
        assert_eq!(parse("s3://city", &aws).unwrap().unwrap().url().unwrap().as_str(), "s3://city/");
        assert_eq!(parse("/var/lib/lake", &aws), Ok(None));
        for wrong in ["s3://", "s3://city?x=1", "s3://city:9000/a"] {
            assert!(matches!(parse(wrong, &aws), Err(BucketError::Form(_))), "{wrong}");
        }
    }

    #[test]
    fn no_secret_is_taken_from_a_file_and_nothing_is_spoken_in_the_clear_unasked() {
        let at = |endpoint: &str, allow_http: bool| Reach {
            endpoint: Some(endpoint.into()),
            allow_http,
            ..Reach::default()
        };
        let secret = Err(BucketError::Secret);
        assert_eq!(parse("s3://key:secret@city/a", &Reach::default()), secret);
        assert_eq!(parse("s3://city/a", &at("https://key:secret@minio.example", false)), secret);
        let clear = BucketError::Clear("http://127.0.0.1:9000".into());
        assert_eq!(parse("s3://city/a", &at("http://127.0.0.1:9000", false)), Err(clear));
        assert!(parse("s3://city/a", &at("http://127.0.0.1:9000", true)).is_ok());
        assert!(matches!(parse("s3://city/a", &at("minio", true)), Err(BucketError::Endpoint(_))));
    }
}
