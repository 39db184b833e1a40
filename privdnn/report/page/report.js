'use strict';
// Draws the plots of the page, in the colours that its style has at the time, and notes what could be drawn.
(() => {
  const root = document.documentElement;
  const fail = (message) => { root.dataset.errors = (root.dataset.errors ? root.dataset.errors + '; ' : '') + message; };
  window.addEventListener('error', (event) => fail(event.message || 'something could not be loaded'), true);
  document.addEventListener('securitypolicyviolation', (event) => fail('blocked: ' + event.blockedURI));

  const plots = JSON.parse(document.getElementById('plots').textContent);
  const charts = new Map();
  const colour = (name) => getComputedStyle(root).getPropertyValue('--' + name).trim();
  const series = (i) => colour('series-' + (i % 4 + 1));

  // From where to where x goes: a little further than the points, so that one alone has lines beside it.
  const span = (plot) => {
    const x = plot.rows.map((row) => row[0]);
    return {min: Math.min(...x) / 1.5, max: Math.max(...x) * 1.5};
  };

  const points = (plot, column, dashed) => {
    const rows = plot.rows.map((row) => ({x: row[0], y: row[column]}));
    if (!dashed) return rows;
    return [{x: span(plot).min, y: rows[0].y}, ...rows, {x: span(plot).max, y: rows[rows.length - 1].y}];
  };

  const dataset = (plot, column, i, dashed) => ({
    label: plot.titles[column],
    data: plot.lines ? points(plot, column, dashed) : plot.rows.map((row) => row[column]),
    backgroundColor: series(i),
    borderColor: series(i),
    borderWidth: plot.lines ? 2 : 0,
    borderDash: dashed ? [6, 4] : [],
    pointRadius: dashed ? 0 : 4,
    maxBarThickness: 26,
    minBarLength: 2,
  });

  const axis = (title, log, range) => ({
    type: log ? 'logarithmic' : 'linear',
    min: range.min,
    max: range.max,
    title: {display: title !== '', text: title, color: colour('ink')},
    ticks: {
      color: colour('faint'),
      // Of a logarithmic axis powers of ten are enough.
      callback: (value) => !log || Number.isInteger(Math.log10(value)) ? value.toLocaleString('en', {notation: log ? 'compact' : 'standard'}) : '',
    },
    grid: {color: colour('line')},
  });

  const configuration = (plot) => {
    const drawn = [...plot.columns.map((c) => [c, false]), ...plot.reference.map((c) => [c, true])];
    const values = axis(plot.y_title, plot.log_y, plot);
    const scales = plot.lines ? {x: axis(plot.x_title, plot.log_x, span(plot)), y: values} : {
      x: values,
      y: {ticks: {color: colour('ink'), autoSkip: false}, grid: {display: false}},
    };
    return {
      type: plot.lines ? 'line' : 'bar',
      data: {
        labels: plot.lines ? undefined : plot.rows.map((row) => String(row[0])),
        datasets: drawn.map(([column, dashed], i) => dataset(plot, column, i, dashed)),
      },
      options: {
        indexAxis: plot.lines ? 'x' : 'y',
        animation: false,
        maintainAspectRatio: false,
        scales,
        plugins: {legend: {display: drawn.length > 1, labels: {color: colour('ink')}}},
      },
    };
  };

  // Whether every series that has something to show left pixels of its colour.
  const shows = (canvas, chart) => {
    const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    const worth = (v) => Number.isFinite(v) && v !== 0;
    const visible = chart.data.datasets.filter((d) => d.data.some((v) => worth(v !== null && typeof v === 'object' ? v.y : v)));
    return visible.length > 0 && visible.every((d) => {
      const wanted = [1, 3, 5].map((i) => parseInt(d.borderColor.slice(i, i + 2), 16));
      for (let i = 0; i < data.length; i += 4) {
        if (data[i + 3] > 64 && wanted.every((w, k) => Math.abs(w - data[i + k]) < 12)) return true;
      }
      return false;
    });
  };

  const draw = () => {
    for (const canvas of document.querySelectorAll('canvas[data-figure]')) {
      const name = canvas.dataset.figure;
      delete canvas.dataset.rendered;
      try {
        if (charts.has(name)) charts.get(name).destroy();
        const chart = new Chart(canvas, configuration(plots[name]));
        charts.set(name, chart);
        if (shows(canvas, chart)) canvas.dataset.rendered = 'yes';
        else fail('figure ' + name + ' is empty');
      } catch (error) {
        fail('figure ' + name + ': ' + error.message);
      }
    }
  };

  const count = () => {
    for (const picture of document.querySelectorAll('img[data-figure]')) {
      if (picture.complete && picture.naturalWidth > 0) picture.dataset.rendered = 'yes';
    }
    root.dataset.figures = document.querySelectorAll('[data-figure]').length;
    root.dataset.rendered = document.querySelectorAll('[data-figure][data-rendered]').length;
  };

  draw();
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);
  // Paper has colours and widths of its own.
  matchMedia('print').addEventListener('change', draw);
  window.addEventListener('load', count);
})();
