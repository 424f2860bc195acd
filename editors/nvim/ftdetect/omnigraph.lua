vim.filetype.add({ extension = { gq = "omnigraph_gq", pg = "omnigraph_pg" } })
