"""Pictures of runs, sweeps and audits, as Matplotlib figures."""
