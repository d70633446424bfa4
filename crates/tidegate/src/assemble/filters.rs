//! Filters, and the caches that some of them fill.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidegate_config::model::{self, CompressionAlgorithm, FilterKind};
use tidegate_proxy::spec::{Algorithm, Cache, CacheSpec, CompressionSpec, EarlyHints, FilterSpec};

use super::Assembly;

impl Assembly<'_> {
    /// The filters of a proxy, which are taken out of it.
    pub(super) fn filters(&self, proxy: &mut model::Proxy) -> Vec<FilterSpec> {
        let compression = proxy.compression.take();
        let compression = compression.filter(|c| c.request.is_some() || !c.response.is_empty());
        let level = self.compression_level;
        let mut compression =
            compression.map(|settings| FilterSpec::Compression(Arc::new(spec(settings, level))));
        let mut filters = Vec::new();
        for filter in std::mem::take(&mut proxy.filters) {
            filters.extend(match filter.kind {
                FilterKind::Compression => compression.take(),
                // Its name was checked.
                FilterKind::Cache(name) => self.cache(&name.value).map(FilterSpec::Cache),
            });
        }
        // Without a line of its own it comes last.
        filters.extend(compression);
        filters
    }

    pub(super) fn cache(&self, name: &str) -> Option<Arc<Cache>> {
        self.caches.get(name).cloned()
    }
}

/// The caches, all of them empty.
pub(super) fn caches(sections: BTreeMap<String, model::Cache>) -> BTreeMap<String, Arc<Cache>> {
    let made = sections.into_iter().map(|(name, section)| {
        let spec = CacheSpec {
            name: name.clone(),
            total_bytes: section.total_megabytes << 20,
            object_bytes_max: section.object_bytes_max,
            age_max: section.age_max,
            process_vary: section.process_vary,
            variants_max: usize::try_from(section.variants_max).unwrap_or(usize::MAX),
            early_hints: match section.early_hints {
                model::EarlyHints::Off => EarlyHints::Off,
                model::EarlyHints::On(percent) => EarlyHints::On(percent),
                model::EarlyHints::Only => EarlyHints::Only,
            },
        };
        (name, Arc::new(Cache::new(spec)))
    });
    made.collect()
}

fn spec(settings: model::Compression, level: u32) -> CompressionSpec {
    CompressionSpec {
        request: settings.request.filter(|_| settings.of_requests).map(algorithm),
        response: match settings.not_of_responses {
            true => Vec::new(),
            false => settings.response.into_iter().map(algorithm).collect(),
        },
        request_types: settings.request_types,
        response_types: settings.response_types,
        offload: settings.offload,
        request_bytes_min: settings.request_bytes_min,
        response_bytes_min: settings.response_bytes_min,
        level,
    }
}

fn algorithm(algorithm: CompressionAlgorithm) -> Algorithm {
    match algorithm {
        CompressionAlgorithm::Identity => Algorithm::Identity,
        CompressionAlgorithm::Gzip => Algorithm::Gzip,
        CompressionAlgorithm::Deflate => Algorithm::Deflate,
        CompressionAlgorithm::RawDeflate => Algorithm::RawDeflate,
    }
}
